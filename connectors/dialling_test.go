package connectors_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// dials are the names by which Go's own packages open connections, or make what
// does so by itself.
var dials = map[string][]string{
	"net":               {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer", "DefaultResolver", "Resolver", "LookupHost", "LookupIP", "LookupAddr", "LookupCNAME", "LookupMX", "LookupTXT", "LookupSRV"},
	"net/http":          {"Get", "Head", "Post", "PostForm", "Client", "DefaultClient", "Transport", "DefaultTransport"},
	"crypto/tls":        {"Dial", "DialWithDialer", "Dialer"},
	"net/smtp":          {"Dial", "SendMail"},
	"net/rpc":           {"Dial", "DialHTTP"},
	"database/sql":      {"Open"},
	"log/syslog":        {"Dial", "New"},
	"os/exec":           {"Command", "CommandContext"},
	"syscall":           {"Socket", "Connect"},
	"net/http/httputil": {"NewSingleHostReverseProxy"},
}

// A connector reaches out by Env alone: package outgoing makes what Env has, and
// is the only one that dials. So a call without an Env's HTTP and Dial, as a dry
// run makes it, opens no connection, whatever the connector.
func TestOnlyOutgoingDials(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "demo" || d.Name() == "conntest" || d.Name() == "node_modules" || path == "outgoing" {
				return fs.SkipDir // servers that tests and the demo need, and the one that dials
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		imported := map[string]string{} // the package by the name it has in the file
		for _, i := range file.Imports {
			of := strings.Trim(i.Path.Value, `"`)
			name := of[strings.LastIndex(of, "/")+1:]
			if i.Name != nil {
				name = i.Name.Name
			}
			imported[name] = of
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if pointer, ok := n.(*ast.StarExpr); ok { // the type of what was given: *http.Client
				if _, named := pointer.X.(*ast.SelectorExpr); named {
					return false
				}
			}
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, ok := s.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, name := range dials[imported[of.Name]] {
				if s.Sel.Name == name {
					t.Errorf("%s: %s.%s opens connections: use Env.HTTP, or Env.Dialer", set.Position(s.Pos()), of.Name, name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 40 {
		t.Errorf("%d files were looked at: where are the connectors?", files)
	}
}

package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"sluice/console/cli"
)

// verify runs the command in this process.
func verify(t *testing.T, body string, args ...string) (out string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	root := &cobra.Command{Use: "sluice"}
	root.AddCommand(verifyCommand())
	var b bytes.Buffer
	root.SetOut(&b)
	root.SetErr(&b)
	root.SetArgs(append([]string{"verify", "--body", path}, args...))
	code = cli.Run(t.Context(), root)
	return b.String(), code
}

func TestVerifySaysWhyASignatureIsRejected(t *testing.T) {
	const secret = "the-secret-of-the-test"
	sum := func(text string) []byte {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	hexOf := func(text string) string { return hex.EncodeToString(sum(text)) }
	github := func(signed string) []string {
		return []string{"--type", "github", "--secret", secret, "--header", "X-Hub-Signature-256: sha256=" + hexOf(signed)}
	}
	stripe := func(at string) []string {
		return []string{"--type", "stripe", "--secret", secret, "--at", "1700000000", "--header", "Stripe-Signature: t=" + at + ",v1=" + hexOf(at+".{}")}
	}
	square := []string{"--type", "square", "--secret", secret, "--url", "http://x.example/hook/a", "--header",
		"x-square-hmacsha256-signature: " + base64.StdEncoding.EncodeToString(sum("https://x.example/hook/a{}"))}
	for _, c := range []struct {
		name, body string
		args       []string
		code       int
		says       string
	}{
		{"right", `{}`, github(`{}`), 0, "accepted"},
		{"a newline too much", "{}\n", github(`{}`), 1, "without its trailing newline"},
		{"a newline too few", `{}`, github("{}\n"), 1, "with a newline behind it"},
		{"written again", `{"a": 1}`, github(`{"a":1}`), 1, "as compact JSON"},
		{"indented", `{"a":1}`, github("{\n  \"a\": 1\n}"), 1, "as indented JSON"},
		{"line ends", "a\r\nb", github("a\nb"), 1, "LF in place of CRLF"},
		{"another secret", `{}`, append(github(`{}`), "--secret", "another"), 1, "fits no usual mistake"},
		{"white space in the secret", `{}`, append(github(`{}`), "--secret", secret+" "), 1, "white space"},
		{"the previous secret", `{}`, append(github(`{}`), "--secret", "new", "--previous-secret", secret), 0, "the previous secret"},
		{"another encoding", `{}`, []string{"--type", "github", "--secret", secret, "--header", "X-Hub-Signature-256: sha256=" + base64.StdEncoding.EncodeToString(sum(`{}`))}, 1, "sha256 in base64"},
		{"no prefix", `{}`, []string{"--type", "github", "--secret", secret, "--header", "X-Hub-Signature-256: " + hexOf(`{}`)}, 1, `the prefix ""`},
		{"another type", `{}`, append(stripe("1700000000"), "--type", "github"), 1, "which stripe sends"},
		{"in time", `{}`, stripe("1699999900"), 0, "accepted"},
		{"stale", `{}`, stripe("1699990000"), 1, "--at"},
		{"of the future", `{}`, stripe("1700009999"), 1, "ahead"},
		{"stale within its tolerance", `{}`, append(stripe("1699990000"), "--tolerance", "24h"), 0, "accepted"},
		{"http for https", `{}`, square, 1, "SLUICE_PUBLIC_URL"},
		{"twice", `{}`, append(github(`{}`), "--header", "x-hub-signature-256: sha256=00"), 1, "more than once"},
		{"generic", `{}`, []string{"--type", "hmac", "--secret", secret, "--header-name", "x-sig", "--header", "X-Sig: " + hexOf(`{}`)}, 0, "accepted"},
		{"basic", ``, []string{"--type", "basic", "--username", "a", "--secret", "b", "--header", "Authorization: Basic YTpi"}, 0, "accepted"},
		{"not basic", ``, []string{"--type", "basic", "--username", "a", "--secret", "c", "--header", "Authorization: Basic YTpi"}, 1, "wrong"},
		{"a type there is not", `{}`, []string{"--type", "nobody", "--secret", "x"}, 2, "nobody"},
		{"no type", `{}`, []string{"--secret", "x"}, 2, "--type"},
		{"no secret", `{}`, []string{"--type", "github", "--header", "X-Hub-Signature-256: sha256=00"}, 2, "secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := verify(t, c.body, c.args...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit status %d, %q; want %d and %q", code, out, c.code, c.says)
			}
			if strings.Contains(out, secret) {
				t.Error("it printed the secret")
			}
		})
	}
}

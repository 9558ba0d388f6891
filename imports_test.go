package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// allowed is which of the project's top folders each may import. Only main
// sees all. (Tests, benchmarks and the engines of deploy may use what they test.)
var allowed = map[string][]string{
	"schemas":    {},
	"connectors": {"schemas"},
	"ingest":     {"schemas"},
	"processors": {"schemas", "connectors"},
	"console":    {"schemas", "connectors"},
}

func TestImportsPointOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		from := top(p.ImportPath)
		seen[from] = true
		may, bound := allowed[from]
		if !bound {
			continue
		}
		for _, i := range p.Imports {
			to := top(i)
			if to == "" || to == from {
				if strings.HasPrefix(p.ImportPath, "sluice/processors/") && strings.HasPrefix(i, "sluice/processors/") && i != p.ImportPath {
					t.Errorf("%s imports %s: processors stand on their own", p.ImportPath, i)
				}
				continue
			}
			ok := false
			for _, m := range may {
				ok = ok || m == to
			}
			if !ok {
				t.Errorf("%s imports %s: %s may import %v of this project", p.ImportPath, i, from, may)
			}
		}
	}
	for folder := range allowed {
		if !seen[folder] {
			t.Errorf("there is no folder %s any more: mend the table", folder)
		}
	}
}

// top is the top folder of a package of this project, or "".
func top(path string) string {
	rest, ok := strings.CutPrefix(path, "sluice/")
	if !ok {
		return ""
	}
	folder, _, _ := strings.Cut(rest, "/")
	return folder
}

package conntest

import (
	"os"
	"strings"
	"testing"
)

// TestTheGuideShowsTheExampleThatIsCompiled: a guide that nobody compiles is wrong after a month.
func TestTheGuideShowsTheExampleThatIsCompiled(t *testing.T) {
	guide, err := os.ReadFile("../WRITING.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"greeter/greeter.go", "greeter/greeter_test.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(guide), "```go\n"+string(source)+"```\n") {
			t.Errorf("connectors/WRITING.md does not show %s as it is: copy it there", name)
		}
	}
}

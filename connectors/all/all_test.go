package all

import "testing"

func TestEveryConnectorFitsTheContract(t *testing.T) {
	set, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"webhook/receive", "webhook/wait", "flow/delay", "flow/filter", "flow/call", "flow/log", "webhook/send", "http/request", "mapper/map",
		"petstore/create-pet", "petstore/get-pet", "petstore/find-by-status",
	} {
		if _, ok := set.Component(name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

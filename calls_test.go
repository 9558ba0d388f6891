package main

import (
	"testing"
	"time"
)

// A flow that is called leads back to who called it.
func TestACalledExecutionNamesItsCaller(t *testing.T) {
	in := newInstallation(t)
	in.start(nil, "dev").ready()
	in.publish("child", "kind: Flow\nid: child\ntrigger: {uses: webhook/receive}\nsteps:\n  - {id: say, uses: mapper/map, input: {n: =body.n}}\n")
	in.publish("parent", "kind: Flow\nid: parent\ntrigger: {uses: webhook/receive}\nsteps:\n  - {id: ask, uses: flow/call, input: {flow: child, body: =body}}\n")
	id, status, _ := in.send("parent", `{"n": 1}`)
	if id == "" {
		t.Fatalf("the hook was answered %d", status)
	}
	in.until(20*time.Second, "both have ended", func() bool {
		n := in.query("SELECT count() FROM executions WHERE status = 'succeeded'")
		return len(n) == 1 && n[0] == 2
	})
	var called, caller struct {
		CalledBy *struct{ Execution, Flow, Step string }
	}
	in.getAPI("/executions/"+in.list("child")[0].ID, &called)
	if c := called.CalledBy; c == nil || c.Execution != id || c.Flow != "parent" || c.Step != "ask" {
		t.Errorf("called by %+v, want the step ask of %s", c, id)
	}
	in.getAPI("/executions/"+id, &caller)
	if caller.CalledBy != nil {
		t.Errorf("the caller was called by %+v", caller.CalledBy)
	}
}

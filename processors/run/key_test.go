package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/connectors/mapping"
)

// A key that takes too long for one hook is no hook without a key: it would run
// twice, or out of its order, and nobody would know.
func TestAHookWhoseKeyCannotBeHadInTimeFailsAndIsNotRun(t *testing.T) {
	// It never ends where the body says so.
	const key = `"=($f := function($n) { body.slow ? $f($n + 1) : body.id }; $f(0))"`
	for name, policy := range map[string]string{"dedupe": `"dedupe":{"key":` + key + `}`, "order": `"order":{"key":` + key + `}`} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.publish("pets", policy+`,"steps":[{"id":"do","uses":"test/effect","input":"=body"}]`)
			options := r.options("a")
			options.Mapping = mapping.New(mapping.Limits{Timeout: 100 * time.Millisecond})
			r.startRunner(New(options))
			slow := r.send("pets", `{"id":1,"slow":true}`)
			fine := r.send("pets", `{"id":1}`)
			none := r.send("pets", `{}`) // has no key, which is no failure
			h := r.ended(3)
			want(t, h[slow], failed)
			want(t, h[fine], succeeded)
			want(t, h[none], succeeded)
			if why := h[slow].last.Failure.GetMessage(); !strings.Contains(why, name+" key") || !strings.Contains(why, "D1012") {
				t.Errorf("why: %q", why)
			}
			if n := len(r.made()); n != 2 {
				t.Errorf("%d effects, want 2: %s", n, fmt.Sprint(r.made()))
			}
		})
	}
}

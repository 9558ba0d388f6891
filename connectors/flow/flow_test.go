package flow

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"sluice/connectors"
	"sluice/connectors/conntest"
)

func TestContract(t *testing.T) {
	conntest.Run(t, Connector(), conntest.Options{Pure: map[string]json.RawMessage{
		"flow/delay":  json.RawMessage(`{"until": "2020-01-31T09:00:00Z"}`),
		"flow/filter": json.RawMessage(`{"pass": true}`),
		"flow/call":   json.RawMessage(`{"flow": "other", "wait": false}`),
		"flow/log":    json.RawMessage(`{"message": "hello"}`),
	}})
}

func do(t *testing.T, name, input string) (connectors.Result, error) {
	t.Helper()
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	c, _ := set.Component(name)
	if err := c.CheckInput(json.RawMessage(input)); err != nil {
		return connectors.Result{}, err
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return c.Do(context.Background(), connectors.Env{Now: func() time.Time { return now }}, connectors.Call{Input: json.RawMessage(input), Attempt: 1})
}

func TestADelayEndsWhenItSays(t *testing.T) {
	for input, want := range map[string]string{
		`{"for": "90m"}`:                    "2026-01-01T01:30:00Z",
		`{"until": "2026-03-01T10:00:00Z"}`: "2026-03-01T10:00:00Z",
		`{"until": "2025-03-01T10:00:00Z"}`: "", // it is over
		`{}`:                                "error",
		`{"for": "a while"}`:                "error",
		`{"for": "1h", "until": "2026-01-01T01:30:00Z"}`: "error",
		`{"for": "9000h"}`: "error",
	} {
		r, err := do(t, "flow/delay", input)
		have := ""
		switch {
		case err != nil:
			have = "error"
		case r.Wait != nil:
			have = r.Wait.Until.UTC().Format(time.RFC3339)
		}
		if have != want {
			t.Errorf("%s: %q (%v), want %q", input, have, err, want)
		}
	}
}

func TestAFilterLetsPassWhatIsTrue(t *testing.T) {
	for input, passes := range map[string]bool{
		`{"pass": true}`: true, `{"pass": "x"}`: true, `{"pass": 1}`: true, `{"pass": [0, 1]}`: true, `{"pass": {"a": 0}}`: true,
		`{"pass": false}`: false, `{"pass": ""}`: false, `{"pass": 0}`: false, `{"pass": []}`: false, `{"pass": {}}`: false, `{"pass": null}`: false, `{}`: false,
	} {
		r, err := do(t, "flow/filter", input)
		if err != nil || r.Filtered == passes {
			t.Errorf("%s: filtered is %v (%v)", input, r.Filtered, err)
		}
	}
}

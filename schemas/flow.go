package schemas

import (
	"encoding/json"
	"fmt"
	"time"
)

// Flow is a flow document (schemas/flow.schema.json): a trigger and a graph
// of steps. A Flow that came out of ReadDocuments, or of the control log, is
// valid and must not be changed.
type Flow struct {
	Kind        string   `json:"kind"`
	ID          string   `json:"id,omitempty"`
	Name        string   `json:"name,omitempty"`
	Note        string   `json:"note,omitempty"`
	Trigger     Trigger  `json:"trigger"`
	Order       any      `json:"order,omitempty"`
	Concurrency int      `json:"concurrency,omitempty"`
	Rate        string   `json:"rate,omitempty"`
	Shards      int      `json:"shards,omitempty"`
	Dedupe      *Dedupe  `json:"dedupe,omitempty"`
	Timeout     Duration `json:"timeout,omitempty"`
	Retention   Duration `json:"retention,omitempty"` // of its history; 0: MaxRetention
	// Erasable: what its executions write to Kafka is sealed with keys of their
	// own, so that it can be erased (Keys).
	Erasable bool   `json:"erasable,omitempty"`
	Steps    []Step `json:"steps"`
}

// MaxRetention is how long the history is kept unless a flow says less.
const MaxRetention = 30 * 24 * time.Hour

// OrderBy says what keeps executions in order: "none", "flow", or "key" with
// the expression of the key.
func (f *Flow) OrderBy() (by, key string) {
	switch order := f.Order.(type) {
	case string:
		return order, ""
	case map[string]any:
		key, _ := order["key"].(string)
		return "key", key
	}
	return "none", ""
}

// Trigger is what starts an execution.
type Trigger struct {
	Uses       string   `json:"uses"`
	Name       string   `json:"name,omitempty"`
	Note       string   `json:"note,omitempty"`
	Credential string   `json:"credential,omitempty"` // empty: No Auth
	Methods    []string `json:"methods,omitempty"`    // empty: GET and POST
	Raw        bool     `json:"raw,omitempty"`        // the body is handed over as it came, not parsed
	Origins    []string `json:"origins,omitempty"`    // whose pages may send from a browser
	Respond    *Respond `json:"respond,omitempty"`
	// Input are the settings of a trigger other than a webhook: constants.
	Input  json.RawMessage `json:"input,omitempty"`
	Sample json.RawMessage `json:"sample,omitempty"`
}

// Respond is what a sender is answered.
type Respond struct {
	When        string          `json:"when,omitempty"` // accepted (default) or finished
	Status      int             `json:"status,omitempty"`
	ContentType string          `json:"contentType,omitempty"`
	Body        json.RawMessage `json:"body,omitempty"`
	OnFailure   *Respond        `json:"onFailure,omitempty"`
}

// MaxDedupeWindow is less than the topic dedupe's retention, so that no window
// outlives its records.
const MaxDedupeWindow = 7 * 24 * time.Hour

// Dedupe says which hooks are deliveries of the same event.
type Dedupe struct {
	Key string `json:"key,omitempty"` // an expression; empty: the provider's delivery ID
	// Preset is the provider whose delivery ID is the key, by the name of its
	// credential type; empty: the type of the trigger's credential.
	Preset string   `json:"preset,omitempty"`
	Window Duration `json:"window,omitempty"`
}

// Step is one thing a flow does.
type Step struct {
	ID         string   `json:"id"`
	Name       string   `json:"name,omitempty"`
	Note       string   `json:"note,omitempty"`
	Uses       string   `json:"uses"`
	Credential string   `json:"credential,omitempty"`
	After      []string `json:"after,omitempty"` // absent: the step above
	When       string   `json:"when,omitempty"`
	Otherwise  bool     `json:"otherwise,omitempty"`
	Each       string   `json:"each,omitempty"`
	// Concurrency is how many elements of Each run at once; 0: DefaultEach.
	Concurrency int             `json:"concurrency,omitempty"`
	On          string          `json:"on,omitempty"` // success (default), failure or always
	Input       json.RawMessage `json:"input,omitempty"`
	Timeout     Duration        `json:"timeout,omitempty"`
	Retry       *Retry          `json:"retry,omitempty"`
	OnUnknown   string          `json:"onUnknown,omitempty"` // retry (default), fail or hold
	Sample      json.RawMessage `json:"sample,omitempty"`    // an output it once had, for the designer
}

// Components that the runner itself has a part in.
const (
	WaitComponent = "webhook/wait"
	CallComponent = "flow/call"
)

// Limits of a step that runs once per element.
const (
	DefaultEach = 10     // elements at once
	MaxElements = 10_000 // in all
)

// Retry is how often, how soon and after which failures a step is tried again.
type Retry struct {
	Attempts int      `json:"attempts,omitempty"` // including the first; 1 is no retry
	Initial  Duration `json:"initial,omitempty"`
	Factor   float64  `json:"factor,omitempty"`
	Max      Duration `json:"max,omitempty"`
	Jitter   *float64 `json:"jitter,omitempty"` // 0.2 spreads a delay over ±20 %
	MaxAge   Duration `json:"maxAge,omitempty"` // no attempt begins later than this after the first
	On       []any    `json:"on,omitempty"`     // network, timeout, a status such as 429, or a class such as 5xx
}

// Duration is a time.Duration written as in Go and the flow document: 10s, 5m, 24h.
type Duration time.Duration

// MarshalJSON writes the form that UnmarshalJSON reads.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads a duration such as "10s"; it must not be negative.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("want a duration such as 10s, 5m or 24h, have %s", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("want a duration such as 10s, 5m or 24h, have %q", s)
	}
	*d = Duration(v)
	return nil
}

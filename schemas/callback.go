package schemas

import (
	"bytes"
	"fmt"
	"strings"
)

// CallbackPath is where callbacks come in, on the public listener; a token follows.
const CallbackPath = "/callback/"

// callbackPurpose is what callbacks' tokens are for (Tokens.Make).
const callbackPurpose = "callback"

// MaxCallback is the largest body of a callback, in bytes: it travels in the
// snapshot of its execution.
const MaxCallback = 256 << 10

// Callback is what the token of a callback URL says: which step of which
// execution waits for it, and with what a caller proves who it is.
type Callback struct {
	Execution  ExecutionID
	Lane       string // the topic of the execution's hook: hooks or replays
	Flow, Step string
	Credential string // empty: the token is proof enough
	Key        string // of the execution, that the callback is sealed with; empty: it is not
}

// Token is the last part of the URL. It is the same each time.
func (c Callback) Token(tokens *Tokens) string {
	parts := []string{c.Lane, c.Flow, c.Step, c.Credential}
	if c.Key != "" {
		parts = append(parts, c.Key)
	}
	text := strings.Join(parts, "\x00")
	return tokens.Make(callbackPurpose, append(c.Execution[:], text...))
}

// ReadCallback reads a token that Token made.
func ReadCallback(tokens *Tokens, token string) (Callback, bool) {
	content, ok := tokens.Read(callbackPurpose, token)
	if !ok || len(content) < len(ExecutionID{}) {
		return Callback{}, false
	}
	parts := bytes.Split(content[len(ExecutionID{}):], []byte{0})
	if len(parts) != 4 && len(parts) != 5 {
		return Callback{}, false
	}
	cb := Callback{
		Execution: ExecutionIDFromBytes(content[:len(ExecutionID{})]),
		Lane:      string(parts[0]), Flow: string(parts[1]), Step: string(parts[2]), Credential: string(parts[3]),
	}
	if len(parts) == 5 {
		cb.Key = string(parts[4])
	}
	return cb, true
}

// Parent names the step that called a flow and waits for its end.
type Parent struct {
	Execution ExecutionID
	Lane      string
	Flow      string
	Step      string
	Iteration int
	Depth     int  // how many calls stand above this one
	Detached  bool // nobody waits; only the depth counts
}

// String is the parent as it travels in a hook's header.
func (p Parent) String() string {
	waits := "waits"
	if p.Detached {
		waits = "detached"
	}
	return fmt.Sprintf("%s %s %s %s %d %d %s", p.Execution, p.Lane, p.Flow, p.Step, p.Iteration, p.Depth, waits)
}

// ParseParent reads what String wrote.
func ParseParent(text string) (Parent, error) {
	var p Parent
	var id, waits string
	_, err := fmt.Sscanf(text, "%s %s %s %s %d %d %s", &id, &p.Lane, &p.Flow, &p.Step, &p.Iteration, &p.Depth, &waits)
	if err == nil {
		p.Execution, err = ParseExecutionID(id)
	}
	if err != nil {
		return Parent{}, fmt.Errorf("reading the caller of a flow %q: %w", text, err)
	}
	p.Detached = waits == "detached"
	return p, nil
}

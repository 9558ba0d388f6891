// Package connectors is the contract between Sluice and the systems it talks to.
//
// A connector is a folder of triggers and actions for one system. It is a plain value: a [Connector] lists its
// credential types and its components, a [Set] is built from a list of them. Nothing registers itself.
//
// # What the runner promises to Do
//
//   - Input has been evaluated and satisfies the component's Input schema. Its numbers keep every digit they came with.
//   - The credential's values satisfy their type's schema, its defaults are filled in, and where the type has OAuth there is
//     an accessToken that is good for a while.
//   - IdempotencyKey is the same over all attempts of one step of one execution, and differs between any two others. It
//     is not empty for a component whose Effect is not Pure.
//   - Attempt counts from 1. An attempt that was cut off by a crash is repeated; the repeat has the same key and may have
//     the same number.
//   - ctx ends when the step's timeout has passed or the execution is cancelled, and carries the trace.
//   - Env.HTTP is guarded (package outgoing): it refuses addresses inside the network and limits what comes back.
//
// # What Do promises to the runner
//
//   - It makes at most one effect per call. It never repeats a request that may have reached its target: durable
//     repetition, its backoff and its limits are the runner's alone, so that every try is on record.
//   - It returns soon after ctx ends, with an error for which errors.Is(err, ctx.Err()) holds.
//   - Every error is, or wraps, an [*Error]. Any other error is taken as [KindInternal] and is repeated by policy.
//   - A component whose Effect is [Keyed] sends IdempotencyKey to its target with every request that has an effect.
//   - Output satisfies the Output schema, keeps the digits of the target's numbers, and is at most the client's limit
//     (10 MiB unless set otherwise) in size: a larger answer is an error, never cut.
//   - No error, log line or output contains a secret of the credential, even where the target sends it back: name the
//     secrets in outgoing.Request, and they are blanked.
//   - It is safe for concurrent use, keeps nothing between calls, and neither changes nor retains Input.
//
// # Who repeats
//
// An error says what happened and whether the request may have reached the target (Sent); the step's retry policy
// decides. Errors whose Retry is [RetryNever] fail the step at once: the same call would fail again.
package connectors

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Connector is a folder of triggers and actions for one system.
type Connector struct {
	Name        string           `json:"name"`  // lower case, "petstore"
	Title       string           `json:"title"` // "Petstore API"
	Summary     string           `json:"summary,omitempty"`
	Imported    bool             `json:"imported,omitempty"`    // made from a document while the program runs
	Credentials []CredentialType `json:"credentials,omitempty"` // the types a credential of this connector can have
	Components  []Component      `json:"components"`
}

// CredentialType is one way to prove who one is to a system.
type CredentialType struct {
	Name    string `json:"name"` // "apiKey"
	Title   string `json:"title"`
	Summary string `json:"summary,omitempty"`
	// Schema is the JSON Schema 2020-12 of the values, an object whose properties are all text. A secret carries
	// "writeOnly": true and "format": "password".
	Schema json.RawMessage `json:"schema"`
	// Verify asks the system whether the values are good, without an effect. Nil where it cannot be asked. It returns
	// within 30 s or when ctx ends. Its error is an [*Error] that carries the provider's reason and never a secret.
	Verify func(ctx context.Context, env Env, values map[string]string) error `json:"-"`
	// OAuth makes this a type whose values get an access token by OAuth 2, and keep it fresh. Nil for all others.
	OAuth *OAuth `json:"oauth,omitempty"`

	schema   *schema
	defaults map[string]string
}

// Effect is what a step does to another system, and so what a crash in its middle can mean.
type Effect string

const (
	// Pure components touch nothing outside: they may run any number of times and are never on record as an effect.
	Pure Effect = "pure"
	// Idempotent components may be repeated without changing more than the first time did (a read, a PUT).
	Idempotent Effect = "idempotent"
	// Keyed components have a target that honours the Idempotency-Key they send.
	Keyed Effect = "keyed"
	// Neither: a repeat is a second effect.
	Neither Effect = "neither"
)

// Component is one trigger or action of a connector.
type Component struct {
	Name    string `json:"name"` // "petstore/create-pet"
	Title   string `json:"title"`
	Summary string `json:"summary,omitempty"`
	Trigger bool   `json:"trigger,omitempty"`
	Effect  Effect `json:"effect"`
	// NeedsCredential says that the component cannot run without one.
	NeedsCredential bool `json:"needsCredential,omitempty"`
	// Input and Output are JSON Schemas 2020-12. Titles, descriptions, defaults, enums and examples are what the
	// designer's form shows. The Input of a trigger is its settings, its Output what the flow gets.
	Input  json.RawMessage `json:"input"`
	Output json.RawMessage `json:"output"`
	// Instant says that Do computes for some microseconds and does nothing else: it waits for nothing, and uses
	// nothing of the call but the input. The runner may then do it in its loop.
	Instant bool `json:"-"`
	// Do runs the action once. Nil for triggers.
	Do func(ctx context.Context, env Env, call Call) (Result, error) `json:"-"`
	// Sample returns an output as the component would give it, for the designer. Without one [Component.SampleOutput]
	// makes it from the Output schema.
	Sample func() json.RawMessage `json:"-"`
	// Choices asks the system which values a field of the input can have now: its repositories, its channels. The fields
	// are those whose schema carries "x-choices": true. Nil where there is none. It has no effect on the system, ends
	// within 30 s or when ctx ends, and its error is an [*Error] as that of Verify.
	Choices func(ctx context.Context, env Env, ask ChoicesCall) ([]Choice, error) `json:"-"`

	// Check says what is wrong with settings, or a constant input, that fits its schema: a cron expression that is none.
	// Optional; it does no I/O, and its message names the field and what would be right.
	Check func(input json.RawMessage) error `json:"-"`

	input *lazy
}

// ChoicesCall asks for the values that one field can have.
type ChoicesCall struct {
	// Field is the name of the field; "a.b" is b within a.
	Field string
	// Input is what is filled in so far, expressions left out: choices may depend on it. It need not satisfy the schema.
	Input      json.RawMessage
	Credential *Credential
	// Search is what the person has typed; a system with many values may search by it, and may ignore it.
	Search string
}

// Choice is a value that a field can have, and what a person calls it.
type Choice struct {
	Value json.RawMessage `json:"value"`
	Label string          `json:"label"`
}

// Env is what a connector may use of the world.
type Env struct {
	// HTTP is the guarded client of package outgoing. It is shared by all calls.
	HTTP *http.Client
	// Dial opens a connection for protocols other than HTTP, through the same guard. Nil: none may be opened; use
	// [Env.Dialer]. A blocked address is an *Error of KindBlocked in the chain of its error.
	Dial Dial
	// Log takes what helps an operator, never a secret. Nil means silence; use [Env.Logger].
	Log *slog.Logger
	// Now is the clock, for signatures that carry a time. Nil means time.Now; use [Env.Clock].
	Now func() time.Time
}

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer returns Dial, or one that opens nothing.
func (e Env) Dialer() Dial {
	if e.Dial == nil {
		return func(context.Context, string, string) (net.Conn, error) {
			return nil, &Error{Kind: KindBlocked, Message: "no connections may be opened here", Retry: RetryNever}
		}
	}
	return e.Dial
}

// Logger returns Log, or one that is silent.
func (e Env) Logger() *slog.Logger {
	if e.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Log
}

// Clock returns the time now by Now, or by the system where Now is nil.
func (e Env) Clock() time.Time {
	if e.Now == nil {
		return time.Now()
	}
	return e.Now()
}

// Call is one attempt of one step.
type Call struct {
	Input          json.RawMessage // evaluated, digits kept
	Credential     *Credential     // nil when the step has none
	IdempotencyKey string          // equal over all attempts
	Attempt        int             // from 1
	// Reply answers the sender that waits for this execution. Nil where none does.
	Reply func(ctx context.Context, r Reply) error
	// File finds a file of the hook by its ref; use [Call.FileOf]. Nil where there are none.
	File func(ref string) (*File, error)
}

// Reply is what a waiting sender is answered.
type Reply struct {
	Status      int // 200 to 999
	ContentType string
	Headers     map[string]string
	Body        []byte
	File        *File // in place of Body
}

// Credential is an opened credential. It is never logged, stored or returned.
type Credential struct {
	Type   string // the name of a [CredentialType]
	Values map[string]string
}

// Value returns a value of the credential, "" where there is none or c is nil.
func (c *Credential) Value(name string) string {
	if c == nil {
		return ""
	}
	return c.Values[name]
}

// Is says whether the credential is of the type, in any of the spellings [Connector.CredentialType] takes. A nil
// credential is of type "none".
func (c *Credential) Is(typeName string) bool {
	if c == nil {
		return sameType(typeName, "none")
	}
	return sameType(c.Type, typeName)
}

// LogValue keeps the values of a credential out of every log.
func (c *Credential) LogValue() slog.Value {
	if c == nil {
		return slog.StringValue("none")
	}
	return slog.GroupValue(slog.String("type", c.Type))
}

// String keeps the values of a credential out of formatted text.
func (c *Credential) String() string {
	if c == nil {
		return "credential(none)"
	}
	return "credential(" + c.Type + ")"
}

// GoString is [Credential.String].
func (c *Credential) GoString() string { return c.String() }

// Result is what an attempt gave.
type Result struct {
	Output     json.RawMessage
	HTTPStatus int // 0 where no HTTP was spoken
	// Wait parks the execution at the step instead: Output is not the step's.
	Wait *Wait
	// Filtered ends the execution: nothing after this step runs.
	Filtered bool
}

// Wait says what a step waits for. The execution is parked meanwhile: it takes no place and survives restarts.
type Wait struct {
	Until    time.Time // zero: no time ends it
	Callback bool      // the step's callback URL being called ends it
	// Call runs another flow; its end ends the wait. Nil: no flow is called.
	Call *FlowCall
}

// FlowCall is a call of another flow.
type FlowCall struct {
	Flow     string
	Body     json.RawMessage // of the hook that the flow gets
	Detached bool            // nobody waits for its end
}

// TextChoice is a choice whose value is a text. Without a label it is called by its value.
func TextChoice(value, label string) Choice {
	if label == "" {
		label = value
	}
	raw, _ := json.Marshal(value)
	return Choice{Value: raw, Label: label}
}

package connectors

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind says what went wrong, and so whose fault it is.
type Kind string

const (
	// KindNetwork: the target was not reached, or the connection broke. A policy's `network` means this and KindTimeout.
	KindNetwork Kind = "network"
	// KindTimeout: the target did not answer in the time the step allows.
	KindTimeout Kind = "timeout"
	// KindHTTP: the target answered, and not as expected. HTTPStatus says how.
	KindHTTP Kind = "http"
	// KindInput: the input cannot be right for any target. The author of the flow mends it.
	KindInput Kind = "input"
	// KindCredential: the credential is missing, incomplete, or was refused (401).
	KindCredential Kind = "credential"
	// KindBlocked: the guard of outgoing requests refused the address. The operator may allow it.
	KindBlocked Kind = "blocked"
	// KindCancelled: the caller ended the call. It says nothing about the target and is never held against the step.
	KindCancelled Kind = "cancelled"
	// KindInternal: a fault of Sluice or of the connector.
	KindInternal Kind = "internal"
	// KindUnknown: a runner died in the middle of the effect, and the step is not to be repeated.
	KindUnknown Kind = "unknown"
	// KindFlow: a flow that was called did not succeed.
	KindFlow Kind = "flow"
)

// Retry says whether the step's policy is to be asked at all.
type Retry uint8

const (
	// RetryByPolicy leaves it to the step's retry policy.
	RetryByPolicy Retry = iota
	// RetryNever: the same call would fail again.
	RetryNever
)

// String returns "policy" or "never".
func (r Retry) String() string {
	if r == RetryNever {
		return "never"
	}
	return "policy"
}

// Error is how an attempt failed. Message may be shown to a person and holds no secret.
type Error struct {
	Kind       Kind
	Message    string        // what was being done and what happened: "creating the pet: petstore.example answered 429 Too Many Requests"
	HTTPStatus int           // 0 where no answer came
	RetryAfter time.Duration // what the target asked for, at most 24 h; 0 where it asked for nothing
	Retry      Retry
	Sent       bool // the request may have reached the target
	// Held: nothing was sent because the destination is failing; RetryAfter says when to come again. It is no attempt.
	Held bool
	// Cause is for errors.Is and errors.As. Its text is not part of Error(), because it may hold a URL.
	Cause error
}

// Error returns Message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns Cause.
func (e *Error) Unwrap() error { return e.Cause }

// Format keeps Cause out of %+v and %#v, whose text may hold a URL.
func (e *Error) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(e.Message)) }

// AsError returns the *Error in err's chain, or one that says what can be told of err: the end of a context is a timeout
// or a cancellation, anything else is internal with err's text. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: KindTimeout, Message: "the time for this step has passed", Sent: true, Cause: err}
	case errors.Is(err, context.Canceled):
		return &Error{Kind: KindCancelled, Message: "cancelled", Sent: true, Cause: err}
	}
	return &Error{Kind: KindInternal, Message: err.Error(), Sent: true, Cause: err}
}

// BadInput returns the error for an input no repetition can mend. The message names the place and the remedy.
func BadInput(format string, args ...any) *Error {
	return &Error{Kind: KindInput, Message: fmt.Sprintf(format, args...), Retry: RetryNever}
}

// BadCredential returns the error for a credential that is missing or incomplete.
func BadCredential(format string, args ...any) *Error {
	return &Error{Kind: KindCredential, Message: fmt.Sprintf(format, args...), Retry: RetryNever}
}

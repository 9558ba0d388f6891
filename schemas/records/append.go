package records

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// AppendExecutionRecord appends the bytes that proto.Marshal would make of x.
// The runner writes one of these for every execution, and by hand that takes a
// quarter of the time and no memory but dst. A field that is added to a message
// below must be added here as well: TestAppendWritesWhatProtobufWrites fails
// otherwise. Unlike proto.Marshal it writes text that is not UTF-8, with U+FFFD
// in the place of what is wrong.
func AppendExecutionRecord(dst []byte, x *ExecutionRecord) []byte {
	dst = appendBytes(dst, 1, x.ExecutionId)
	dst = appendText(dst, 2, x.FlowId)
	dst = appendNumber(dst, 3, int64(x.Version))
	dst = appendNumber(dst, 4, int64(x.Status))
	dst = appendNumber(dst, 5, x.StartedAt)
	dst = appendNumber(dst, 6, x.EndedAt)
	dst = appendFailure(dst, 7, x.Failure)
	if p := x.Hook; p != nil {
		var at int
		dst, at = open(dst, 8)
		dst = appendText(dst, 1, p.Topic)
		dst = appendNumber(dst, 2, int64(p.Partition))
		dst = appendNumber(dst, 3, p.Offset)
		dst = shut(dst, at)
	}
	dst = appendBytes(dst, 9, x.ReplayOf)
	for _, e := range x.Events {
		var at int
		dst, at = open(dst, 10)
		dst = shut(appendEvent(dst, e), at)
	}
	dst = appendText(dst, 11, x.TraceId)
	dst = appendText(dst, 30, x.Replay)
	dst = appendText(dst, 240, x.Key)
	return appendBytes(dst, 241, x.Sealed)
}

func appendEvent(dst []byte, e *Event) []byte {
	dst = appendNumber(dst, 1, e.At)
	var at int
	switch fact := e.Fact.(type) {
	case *Event_Started:
		dst, at = open(dst, 2)
		dst = appendNumber(dst, 1, int64(fact.Started.Version))
	case *Event_Attempt:
		dst, at = open(dst, 3)
		dst = appendAttempt(dst, fact.Attempt)
	case *Event_Skipped:
		dst, at = open(dst, 4)
		dst = appendText(dst, 1, fact.Skipped.Step)
		dst = appendText(dst, 2, fact.Skipped.Uses)
		dst = appendText(dst, 3, fact.Skipped.Name)
	case *Event_Ended:
		dst, at = open(dst, 5)
		dst = appendNumber(dst, 1, int64(fact.Ended.Status))
		dst = appendFailure(dst, 2, fact.Ended.Failure)
	case *Event_Expanded:
		dst, at = open(dst, 40)
		dst = appendText(dst, 1, fact.Expanded.Step)
		dst = appendNumber(dst, 2, int64(fact.Expanded.Count))
		dst = appendText(dst, 3, fact.Expanded.Uses)
		dst = appendText(dst, 4, fact.Expanded.Name)
	case *Event_Callback:
		dst, at = open(dst, 41)
		dst = appendText(dst, 1, fact.Callback.Step)
		dst = appendBytes(dst, 2, fact.Callback.Output)
	case *Event_Given:
		g := fact.Given
		dst, at = open(dst, 42)
		dst = appendText(dst, 1, g.Step)
		dst = appendNumber(dst, 2, int64(g.Status))
		dst = appendBytes(dst, 3, g.Output)
		dst = appendFailure(dst, 4, g.Failure)
		dst = appendText(dst, 5, g.Uses)
		dst = appendText(dst, 6, g.Name)
	default:
		return dst
	}
	return shut(dst, at)
}

func appendAttempt(dst []byte, a *Attempt) []byte {
	dst = appendText(dst, 1, a.Step)
	dst = appendNumber(dst, 2, int64(a.Number))
	dst = appendNumber(dst, 3, int64(a.Status))
	dst = appendBytes(dst, 4, a.Input)
	dst = appendBytes(dst, 5, a.Output)
	dst = appendFailure(dst, 6, a.Failure)
	dst = appendNumber(dst, 7, a.StartedAt)
	dst = appendNumber(dst, 8, a.Duration)
	dst = appendNumber(dst, 9, int64(a.HttpStatus))
	dst = appendText(dst, 10, a.IdempotencyKey)
	dst = appendNumber(dst, 11, a.RetryAt)
	dst = appendText(dst, 12, a.Uses)
	dst = appendText(dst, 13, a.Name)
	dst = appendNumber(dst, 40, int64(a.Iteration))
	return appendNumber(dst, 41, int64(protowire.EncodeBool(a.Postponed)))
}

func appendFailure(dst []byte, field protowire.Number, f *Failure) []byte {
	if f == nil {
		return dst
	}
	dst, at := open(dst, field)
	dst = appendText(dst, 1, f.Kind)
	dst = appendText(dst, 2, f.Message)
	dst = appendNumber(dst, 3, int64(f.HttpStatus))
	dst = appendText(dst, 4, f.Step)
	return shut(dst, at)
}

func appendNumber(dst []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), uint64(v))
}

func appendBytes(dst []byte, field protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), v)
}

func appendText(dst []byte, field protowire.Number, v string) []byte {
	if v == "" {
		return dst
	}
	if !utf8.ValidString(v) { // no reader would take the record
		v = strings.ToValidUTF8(v, "\uFFFD")
	}
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), v)
}

// open begins a message inside another; at is where its content begins.
func open(dst []byte, field protowire.Number) (_ []byte, at int) {
	dst = append(protowire.AppendTag(dst, field, protowire.BytesType), 0)
	return dst, len(dst)
}

// shut writes the length of the message that begins at a place. There is room
// for one byte of it: the content of a longer one moves.
func shut(dst []byte, at int) []byte {
	n := len(dst) - at
	if n < 1<<7 {
		dst[at-1] = byte(n)
		return dst
	}
	more := protowire.SizeVarint(uint64(n)) - 1
	for range more {
		dst = append(dst, 0)
	}
	copy(dst[at+more:], dst[at:at+n])
	protowire.AppendVarint(dst[:at-1], uint64(n))
	return dst
}

package schemas

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Kinds of records in the topics hooks and replays (CloudEvents type).
const (
	KindHook   = "sluice.hook"
	KindCancel = "sluice.execution.cancel"
	// KindCallback: a step's callback URL was called. Body and headers are the
	// caller's request; Request names it, and ReplyTo is where the edge waits for
	// what to answer.
	KindCallback = "sluice.execution.callback"
	// KindReturn: a flow that a step called has ended. The body is a Returned.
	KindReturn = "sluice.execution.return"
	// KindResolve: a person decides about a step. The body is a Resolution.
	KindResolve = "sluice.execution.resolve"
)

var hookKinds = []string{KindHook, KindCancel, KindCallback, KindReturn, KindResolve}

// Hook is one record of the topic hooks or replays: an accepted request, or a
// command to an execution. The record's value is Body, byte for byte as it
// came; the rest travels in headers as CloudEvents 1.0 binary mode (Kafka
// protocol binding, section 3.2), so that any Kafka tool can read it.
type Hook struct {
	ID   ExecutionID // ce_id: of the execution that a hook starts, or that a command is for
	Kind string      // ce_type
	Flow string      // the record's key
	Time time.Time   // ce_time: when it was accepted

	Method, Path, Query string            // ce_method, ce_path, ce_query
	Headers             map[string]string // ce_httpheaders: names in lower case, without what authenticates; bytes that are not UTF-8 are U+FFFD
	ContentType         string            // content-type
	Body                []byte            // in the record; empty when BodyRef says where it is
	// BodyRef is where the body is when it is not in the record (ce_bodyref).
	BodyRef *BodyRef
	// Files are the files in the body, in their order (ce_files): the parts of a
	// multipart body that are files, or the whole body when its content type is
	// none that is parsed. A hook with files has a BodyRef.
	Files []File

	// Control is the offset of the control log up to which the writer had read
	// when it accepted the hook (ce_control). A reader waits until it has read
	// as far, so that it never runs a flow in an older form than the sender saw.
	Control int64
	// ReplayOf is the execution that this one replays or retries (ce_replayof).
	ReplayOf ExecutionID
	// Replay is the replay that sent this hook again (ce_replay); empty for a
	// live hook, and for a retry.
	Replay string
	// Version is the published version that the execution runs on (ce_version);
	// 0: the one that is published when it starts, or the replay's own document.
	Version int32
	// KeysOf is the execution whose idempotency keys the effects carry
	// (ce_keysof); zero: the execution's own.
	KeysOf ExecutionID
	// Parent is the step that called the flow and waits for its end (ce_parent, in
	// the form of Parent.String), or empty.
	Parent string
	// Given is what a retry from a step takes over from the execution that it
	// retries (ce_given): a list of Given as JSON, or nil.
	Given []byte
	// Step and Iteration say for which step of the execution a command is
	// (ce_step, ce_iteration).
	Step      string
	Iteration int
	// Key names the key that path, query, headers, files, body and given are
	// sealed with in the record (ce_key); empty: they are not (Keys.SealHook).
	Key string
	// Shard is the record's key where its flow has shards (ShardKey); empty: the
	// key is the flow's ID.
	Shard string
	// Unkeyed says why the key that chooses the shard could not be had where the
	// hook was made (ce_unkeyed): it is on any shard, and must not be run, because
	// another delivery of its event may be on another one. Empty: it was.
	Unkeyed string
	// Request names the request that brought a callback (ce_request).
	Request ExecutionID
	// ReplyTo is where the sender waits for an answer, or empty (ce_replyto, in
	// the form of ReplyTo.String).
	ReplyTo string
	// TraceParent is the W3C trace context (ce_traceparent, and traceparent for other tools).
	TraceParent string

	// Where the record is; set by ParseHook.
	Topic     string
	Partition int32
	Offset    int64
}

// MaxInlineBody is the largest body, in bytes, that is kept in the record
// itself. Larger ones, and files of any size, are in the blob store.
const MaxInlineBody = 256 << 10

// BodyRef names a body in the blob store.
type BodyRef struct {
	Blob   string `json:"blob"`             // its name in the store
	Offset int64  `json:"offset,omitempty"` // where it begins in the blob
	Size   int64  `json:"size"`             // bytes
	SHA256 string `json:"sha256"`           // lower-case hex
}

// File is a file in a hook's body: Size bytes from Offset on of the blob that
// the hook's BodyRef names.
type File struct {
	Field       string `json:"field,omitempty"` // of the form; empty when the body is the file
	Name        string `json:"name"`            // the last segment of the name that the sender gave, or made up
	ContentType string `json:"contentType"`
	Size        int64  `json:"size"`
	SHA256      string `json:"sha256"` // lower-case hex
	Offset      int64  `json:"offset"`
}

// Record makes the Kafka record. The topic is left to the caller; the
// partition is the ID's.
func (h *Hook) Record() (*kgo.Record, error) {
	headers := make([]kgo.RecordHeader, 0, 16)
	add := func(k, v string) {
		if v != "" {
			headers = append(headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
		}
	}
	add("ce_specversion", "1.0")
	add("ce_id", h.ID.String())
	add("ce_type", h.Kind)
	add("ce_source", "/hook/"+h.Flow)
	add("ce_time", h.Time.UTC().Format(time.RFC3339Nano))
	add("content-type", h.ContentType)
	add("ce_method", h.Method)
	add("ce_path", h.Path)
	add("ce_query", h.Query)
	if len(h.Headers) > 0 {
		b, err := json.Marshal(h.Headers)
		if err != nil {
			return nil, fmt.Errorf("encoding request headers: %w", err)
		}
		headers = append(headers, kgo.RecordHeader{Key: "ce_httpheaders", Value: b})
	}
	for _, part := range []struct {
		header string
		value  any
		there  bool
	}{{"ce_bodyref", h.BodyRef, h.BodyRef != nil}, {"ce_files", h.Files, len(h.Files) > 0}} {
		if !part.there {
			continue
		}
		b, err := json.Marshal(part.value)
		if err != nil {
			return nil, fmt.Errorf("encoding header %s: %w", part.header, err)
		}
		headers = append(headers, kgo.RecordHeader{Key: part.header, Value: b})
	}
	add("ce_control", strconv.FormatInt(h.Control, 10))
	if !h.ReplayOf.IsZero() {
		add("ce_replayof", h.ReplayOf.String())
	}
	add("ce_replay", h.Replay)
	if h.Version > 0 {
		add("ce_version", strconv.FormatInt(int64(h.Version), 10))
	}
	if !h.KeysOf.IsZero() {
		add("ce_keysof", h.KeysOf.String())
	}
	add("ce_parent", h.Parent)
	add("ce_given", string(h.Given))
	add("ce_step", h.Step)
	if h.Iteration > 0 {
		add("ce_iteration", strconv.Itoa(h.Iteration))
	}
	if !h.Request.IsZero() {
		add("ce_request", h.Request.String())
	}
	add("ce_key", h.Key)
	add("ce_unkeyed", h.Unkeyed)
	add("ce_replyto", h.ReplyTo)
	add("ce_traceparent", h.TraceParent)
	add("traceparent", h.TraceParent)
	return &kgo.Record{
		Key:       []byte(cmp.Or(h.Shard, h.Flow)),
		Value:     h.Body,
		Headers:   headers,
		Partition: h.ID.Partition(),
		Timestamp: h.Time,
	}, nil
}

// interned is text, without a copy of what most hooks have.
func interned(text []byte) string {
	switch string(text) { // which copies nothing
	case "1.0":
		return "1.0"
	case KindHook:
		return KindHook
	case "POST":
		return "POST"
	case "GET":
		return "GET"
	case "application/json":
		return "application/json"
	}
	return string(text)
}

// plainHeaders reads {"name":"value",…} as the edge writes it, where no text
// has an escape or anything but ASCII; ok is false for all else.
func plainHeaders(text string) (headers map[string]string, ok bool) {
	if len(text) < 2 || text[0] != '{' {
		return nil, false
	}
	headers = make(map[string]string, 8)
	for at := 1; ; at++ {
		name, end := quotedText(text, at)
		if end < 0 || text[end] != ':' {
			return nil, false
		}
		value, end := quotedText(text, end+1)
		if end < 0 {
			return nil, false
		}
		headers[name] = value
		switch {
		case text[end] == '}' && end == len(text)-1:
			return headers, true
		case text[end] != ',':
			return nil, false
		}
		at = end
	}
}

// quotedText reads a text in quotes that begins at a place. end is the place
// behind it, which is there; less than 0 for anything else.
func quotedText(text string, at int) (found string, end int) {
	if at >= len(text) || text[at] != '"' {
		return "", -1
	}
	for i := at + 1; i < len(text)-1; i++ {
		switch c := text[i]; {
		case c == '"':
			return text[at+1 : i], i + 1
		case c == '\\' || c < ' ' || c >= utf8.RuneSelf:
			return "", -1
		}
	}
	return "", -1
}

// ParseHook reads a record of hooks or replays. The hook shares the record's
// memory. The error of a record that is none says which header is wrong.
func ParseHook(r *kgo.Record) (*Hook, error) {
	h := new(Hook)
	if err := h.Parse(r); err != nil {
		return nil, err
	}
	return h, nil
}

// Parse is ParseHook into a hook that is there already; after an error nothing
// is to be said of it.
func (h *Hook) Parse(r *kgo.Record) error {
	*h = Hook{
		Body: r.Value, Time: r.Timestamp,
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
	}
	h.Flow, h.Shard = flowOfKey(r.Key)
	var version string
	for _, header := range r.Headers {
		var v string
		switch header.Key {
		case "ce_id", "ce_time", "ce_source", "ce_httpheaders", "ce_bodyref", "ce_files", "traceparent": // not read as text
		default:
			v = interned(header.Value)
		}
		var err error
		switch header.Key {
		case "ce_specversion":
			version = v
		case "ce_id":
			h.ID, err = parseExecutionID(header.Value)
		case "ce_type":
			h.Kind = v
		case "ce_time":
			if err = h.Time.UnmarshalText(header.Value); err != nil { // which is strict
				h.Time, err = time.Parse(time.RFC3339Nano, string(header.Value))
			}
		case "content-type":
			h.ContentType = v
		case "ce_method":
			h.Method = v
		case "ce_path":
			h.Path = v
		case "ce_query":
			h.Query = v
		case "ce_httpheaders":
			var ok bool
			if h.Headers, ok = plainHeaders(string(header.Value)); !ok {
				err = json.Unmarshal(header.Value, &h.Headers)
			}
		case "ce_bodyref":
			err = json.Unmarshal(header.Value, &h.BodyRef)
		case "ce_files":
			err = json.Unmarshal(header.Value, &h.Files)
		case "ce_control":
			h.Control, err = strconv.ParseInt(v, 10, 64)
		case "ce_replayof":
			h.ReplayOf, err = ParseExecutionID(v)
		case "ce_replay":
			h.Replay = v
		case "ce_version":
			var n int64
			n, err = strconv.ParseInt(v, 10, 32)
			h.Version = int32(n)
		case "ce_keysof":
			h.KeysOf, err = ParseExecutionID(v)
		case "ce_parent":
			h.Parent = v
		case "ce_given":
			h.Given = header.Value
		case "ce_step":
			h.Step = v
		case "ce_iteration":
			h.Iteration, err = strconv.Atoi(v)
		case "ce_request":
			h.Request, err = ParseExecutionID(v)
		case "ce_key":
			h.Key = v
		case "ce_unkeyed":
			h.Unkeyed = v
		case "ce_replyto":
			h.ReplyTo = v
		case "ce_traceparent":
			h.TraceParent = v
		}
		if err != nil {
			return fmt.Errorf("reading header %s: %w", header.Key, err)
		}
	}
	switch {
	case version != "1.0":
		return fmt.Errorf("reading header ce_specversion: want 1.0, have %q", version)
	case h.ID.IsZero():
		return fmt.Errorf("reading header ce_id: missing")
	case !slices.Contains(hookKinds, h.Kind):
		return fmt.Errorf("reading header ce_type: want one of %s, have %q", strings.Join(hookKinds, ", "), h.Kind)
	case h.Flow == "":
		return fmt.Errorf("reading the record's key: want a flow ID, have none")
	case h.ID.Partition() != r.Partition:
		return fmt.Errorf("reading header ce_id: its partition is %d, the record's is %d", h.ID.Partition(), r.Partition)
	}
	return nil
}

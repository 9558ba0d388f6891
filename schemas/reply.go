package schemas

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ReplyTo says where a sender waits for its answer.
type ReplyTo struct {
	Instance  string // the edge, and the key of its replies
	Partition int32  // of the topic replies, which that edge reads
}

// String is the form in which it travels with a hook (ce_replyto).
func (r ReplyTo) String() string { return strconv.Itoa(int(r.Partition)) + "/" + r.Instance }

// ParseReplyTo reads the form that String writes.
func ParseReplyTo(s string) (ReplyTo, error) {
	number, instance, ok := strings.Cut(s, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil || instance == "" {
		return ReplyTo{}, fmt.Errorf("not a place to reply to: want PARTITION/INSTANCE, have %q", s)
	}
	return ReplyTo{Instance: instance, Partition: int32(n)}, nil
}

// Reply is one record of the topic replies: what a waiting sender is answered.
// The record's value is Body; the rest travels in headers.
type Reply struct {
	ID          ExecutionID       // ce_id: the execution that replies
	Status      int               // status: 200 to 999
	ContentType string            // content-type
	Headers     map[string]string // httpheaders, as JSON
	Body        []byte
	BodyRef     *BodyRef // bodyref, as JSON: where the body is, in place of Body
	Key         string   // key: names what content type, headers and body are sealed with, or is empty (Keys.SealReply)
}

// Record makes the Kafka record for a place.
func (r *Reply) Record(topic string, to ReplyTo) *kgo.Record {
	headers := []kgo.RecordHeader{
		{Key: "ce_id", Value: []byte(r.ID.String())},
		{Key: "status", Value: []byte(strconv.Itoa(r.Status))},
		{Key: "content-type", Value: []byte(r.ContentType)},
	}
	if r.Key != "" {
		headers = append(headers, kgo.RecordHeader{Key: "key", Value: []byte(r.Key)})
	}
	if len(r.Headers) > 0 {
		b, _ := json.Marshal(r.Headers) // text alone: cannot fail
		headers = append(headers, kgo.RecordHeader{Key: "httpheaders", Value: b})
	}
	if r.BodyRef != nil {
		b, _ := json.Marshal(r.BodyRef) // text and numbers: cannot fail
		headers = append(headers, kgo.RecordHeader{Key: "bodyref", Value: b})
	}
	return &kgo.Record{Topic: topic, Partition: to.Partition, Key: []byte(to.Instance), Value: r.Body, Headers: headers}
}

// ParseReply reads a record of the topic replies, and shares its memory.
func ParseReply(record *kgo.Record) (*Reply, error) {
	r := &Reply{Body: record.Value}
	for _, h := range record.Headers {
		var err error
		switch h.Key {
		case "ce_id":
			r.ID, err = ParseExecutionID(string(h.Value))
		case "status":
			r.Status, err = strconv.Atoi(string(h.Value))
		case "content-type":
			r.ContentType = string(h.Value)
		case "key":
			r.Key = string(h.Value)
		case "httpheaders":
			err = json.Unmarshal(h.Value, &r.Headers)
		case "bodyref":
			err = json.Unmarshal(h.Value, &r.BodyRef)
		}
		if err != nil {
			return nil, fmt.Errorf("reading header %s: %w", h.Key, err)
		}
	}
	if r.ID.IsZero() || r.Status < 200 || r.Status > 999 {
		return nil, fmt.Errorf("reading a reply: execution %s, status %d", r.ID, r.Status)
	}
	return r, nil
}

// Replies reports whether a sender waits for this flow's answer: it is given
// when the execution has finished, or by a step.
func (f *Flow) Replies() bool {
	if f.Trigger.Respond != nil && f.Trigger.Respond.When == "finished" {
		return true
	}
	for i := range f.Steps {
		if f.Steps[i].Uses == ReplyComponent {
			return true
		}
	}
	return false
}

// ReplyComponent is the step that answers a waiting sender.
const ReplyComponent = "webhook/reply"

package schemas

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

func drawHook(t *rapid.T) *Hook {
	at := drawTime(t, "time")
	partition := rapid.Int32Range(0, 65535).Draw(t, "partition")
	h := &Hook{
		ID: NewExecutionID(at, partition), Kind: rapid.SampledFrom([]string{KindHook, KindCancel}).Draw(t, "kind"),
		Flow: rapid.StringN(1, 20, -1).Filter(func(s string) bool { return !strings.Contains(s, "#") }).Draw(t, "flow"), Time: at,
		Method: rapid.String().Draw(t, "method"), Path: rapid.String().Draw(t, "path"), Query: rapid.String().Draw(t, "query"),
		Headers:     rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "headers"),
		ContentType: rapid.String().Draw(t, "content type"), Body: rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
		Control: rapid.Int64Range(0, 1<<60).Draw(t, "control"), TraceParent: rapid.String().Draw(t, "trace"),
		Topic: "hooks", Partition: partition, Offset: rapid.Int64Range(0, 1<<60).Draw(t, "offset"),
	}
	if rapid.Bool().Draw(t, "elsewhere") {
		h.Body, h.BodyRef = nil, &BodyRef{Blob: rapid.String().Draw(t, "blob"), Size: rapid.Int64Range(0, 1<<40).Draw(t, "size"), SHA256: "00"}
		h.Files = []File{{Field: rapid.String().Draw(t, "field"), Name: rapid.String().Draw(t, "name"), Size: 3, Offset: rapid.Int64Range(0, 1<<40).Draw(t, "at")}}
	}
	if rapid.Bool().Draw(t, "replay") {
		h.ReplayOf = NewExecutionID(at, partition)
	}
	return h
}

// stored is the record as a consumer gets it.
func stored(t interface{ Fatal(...any) }, h *Hook) *kgo.Record {
	r, err := h.Record()
	if err != nil {
		t.Fatal(err)
	}
	r.Topic, r.Offset = h.Topic, h.Offset
	return r
}

func TestAHookIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawHook(t)
		have, err := ParseHook(stored(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, have, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAHooksRecordGoesToItsExecutionsPartition(t *testing.T) {
	h := Hook{ID: NewExecutionID(time.Now(), 7), Kind: KindHook, Flow: "pets", Body: []byte("raw \x00 bytes")}
	r := stored(t, &h)
	if r.Partition != 7 || string(r.Key) != "pets" || string(r.Value) != "raw \x00 bytes" {
		t.Errorf("have partition %d, key %q, value %q", r.Partition, r.Key, r.Value)
	}
}

func TestARecordHasCloudEventsRequiredAttributes(t *testing.T) {
	h := Hook{ID: NewExecutionID(time.Now(), 7), Kind: KindHook, Flow: "pets", Time: time.Now()}
	have := map[string]string{}
	for _, header := range stored(t, &h).Headers {
		have[header.Key] = string(header.Value)
	}
	for key, want := range map[string]string{"ce_specversion": "1.0", "ce_id": h.ID.String(), "ce_type": "sluice.hook", "ce_source": "/hook/pets"} {
		if have[key] != want {
			t.Errorf("%s: want %q, have %q", key, want, have[key])
		}
	}
}

func TestAMalformedRecordNamesItsHeader(t *testing.T) {
	for _, test := range []struct {
		name, key, value, want string
	}{
		{"wrong version", "ce_specversion", "0.3", "ce_specversion"},
		{"no version", "ce_specversion", "", "ce_specversion"},
		{"no ID", "ce_id", "", "ce_id"},
		{"an ID that is none", "ce_id", "12", "ce_id"},
		{"an ID of another partition", "ce_id", "0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0008", "ce_id"},
		{"another type", "ce_type", "com.example.other", "ce_type"},
		{"no type", "ce_type", "", "ce_type"},
		{"a time that is none", "ce_time", "yesterday", "ce_time"},
		{"headers that are no JSON", "ce_httpheaders", "{", "ce_httpheaders"},
		{"headers that are no texts", "ce_httpheaders", `{"a":1}`, "ce_httpheaders"},
		{"an offset that is none", "ce_control", "x", "ce_control"},
		{"a replayed ID that is none", "ce_replayof", "x", "ce_replayof"},
		{"no key", "key", "", "key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := Hook{ID: NewExecutionID(time.Now(), 7), Kind: KindHook, Flow: "pets", Time: time.Now(), Headers: map[string]string{"a": "b"}}
			h.ReplayOf = h.ID
			r := stored(t, &h)
			if test.key == "key" {
				r.Key = nil
			}
			headers := r.Headers[:0]
			for _, header := range r.Headers {
				if header.Key == test.key {
					if header.Value = []byte(test.value); test.value == "" {
						continue
					}
				}
				headers = append(headers, header)
			}
			r.Headers = headers
			have, err := ParseHook(r)
			if err == nil || have != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want an error that names %s, have %v and %v", test.want, err, have)
			}
		})
	}
}

// FuzzParseHook: a record of anybody's is refused or read, and what is read is
// written as the same hook.
func FuzzParseHook(f *testing.F) {
	id := "0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0007"
	f.Add("pets", "1.0", id, "sluice.hook", "2026-01-02T03:04:05Z", `{"a":"b"}`, "5", id, []byte("body"), int32(7))
	f.Add("", "", "", "", "", "", "", "", []byte(nil), int32(0))
	f.Fuzz(func(t *testing.T, key, version, id, kind, at, headers, control, replay string, body []byte, partition int32) {
		r := &kgo.Record{Key: []byte(key), Value: body, Partition: partition, Topic: "hooks"}
		for k, v := range map[string]string{
			"ce_specversion": version, "ce_id": id, "ce_type": kind, "ce_time": at, "ce_httpheaders": headers, "ce_control": control, "ce_replayof": replay,
		} {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
		}
		first, err := ParseHook(r)
		if err != nil {
			return
		}
		again, err := ParseHook(stored(t, first))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if _, err := json.Marshal(again.Headers); err != nil {
			t.Error(err)
		}
	})
}

func FuzzHeadersAreReadAsJSON(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":"b"}`, `{"a":"b","c":"d"}`, `{"a":"b","a":"c"}`, `{"a":"b",}`, `{"a":"b"} `, ` {"a":"b"}`, `{"a":"\""}`,
		`{"a":"ü"}`, `{"a":1}`, `{"a":`, `{"a"`, `{"a":"b`, `{"a":"b"`, `{"a":"b"}}`, `{"a":"b"{`, `{"":""}`, `{"a":"b","c"}`, `[`, ``, `{`, `{"a":"b" ,"c":"d"}`, `null`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		have, ok := plainHeaders(text)
		if !ok {
			return // encoding/json reads it
		}
		var want map[string]string
		if err := json.Unmarshal([]byte(text), &want); err != nil || !maps.Equal(have, want) {
			t.Errorf("%q is read as %v, want %v, %v", text, have, want, err)
		}
	})
}

package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"sluice/schemas"
)

// TestRecordIsWhatSchemasMakes holds record and schemas.Hook.Record together:
// header by header, in the same order, for whatever a sender sends.
func TestRecordIsWhatSchemasMakes(t *testing.T) {
	e := New(Options{Catalog: &catalog{offset: 3}, Partitions: testPartitions})
	reused := &delivery{}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "a", "application/json", "é", "\"\\", "<&>", "\t", "a\xffb", "\u2028", strings.Repeat("long ", 20)})
		hook := schemas.Hook{
			ID:   schemas.NewExecutionID(time.Now(), 2),
			Kind: schemas.KindHook, Flow: "pets", Method: "POST", Path: "/hook/pets/a%20b",
			Time:        time.Unix(0, rapid.Int64Range(1.6e18, 1.9e18).Draw(t, "time")),
			Query:       rapid.SampledFrom([]string{"", "a=1&b", "%zz"}).Draw(t, "query"),
			ContentType: text.Draw(t, "content type"),
			Body:        []byte(text.Draw(t, "body")),
			Headers:     map[string]string{},
			Control:     rapid.Int64Range(3, 9).Draw(t, "control"),
			Shard:       rapid.SampledFrom([]string{"", "pets#3"}).Draw(t, "shard"),
			Unkeyed:     text.Draw(t, "unkeyed"),
		}
		ctx := &fasthttp.RequestCtx{}
		ctx.Request.Header.SetMethod(hook.Method)
		ctx.Request.Header.SetContentType(hook.ContentType)
		ctx.Request.SetRequestURI(hook.Path + "?" + hook.Query)
		if hook.ContentType != "" {
			hook.Headers["content-type"] = hook.ContentType
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "headers") {
			name := fmt.Sprint(rapid.SampledFrom([]string{"x-b", "X-A", "x-same", "Cookie", "Authorization", "X-Hop"}).Draw(t, "name"))
			value := text.Draw(t, fmt.Sprint("value ", i))
			ctx.Request.Header.Add(name, value)
			switch name = strings.ToLower(name); name {
			case "cookie", "authorization", "x-hop":
			default:
				if before, ok := hook.Headers[name]; ok {
					value = before + ", " + value
				}
				hook.Headers[name] = value
			}
		}
		ctx.Request.Header.Set("Connection", "keep-alive, x-hop")
		key := []byte("pets")
		if hook.Shard != "" {
			key = []byte(hook.Shard)
		}
		r := &request{
			http: ctx, began: hook.Time, id: hook.ID, idText: hook.ID.String(), body: hook.Body, delivery: reused,
			trace: trace.SpanFromContext(t.Context()),
			unkey: hook.Unkeyed,
			shard: &shard{key: key},
			flow:  &flow{source: []byte("/hook/pets"), revision: hook.Control, lock: &lock{kind: "none"}},
		}
		e.record(r, reused)
		want, err := hook.Record()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(readable(t, want), readable(t, &reused.record)); diff != "" {
			t.Errorf("(-schemas +ingest):\n%s", diff)
		}
	})
}

// readable is a record with its headers in order, and as it is read.
func readable(t *rapid.T, r *kgo.Record) any {
	hook, err := schemas.ParseHook(r)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range r.Headers {
		names = append(names, h.Key)
	}
	return []any{names, hook}
}

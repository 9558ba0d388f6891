package mapping

import (
	"context"
	"encoding/json"
	"testing"
	"time"
)

// benchEvent is an event of about 350 bytes.
const benchEvent = `{"id":"evt_1PqXyz2eZvKYlo2C","type":"order.created","created":1718900000,"livemode":true,"data":{"order":{"number":"A-10023","total":129.95,` +
	`"currency":"EUR","customer":{"name":"Grace Hopper","email":"grace@example.com"},"items":[{"sku":"KB-1","quantity":2,"price":39.95},` +
	`{"sku":"MS-7","quantity":1,"price":50.05}],"shipping":{"city":"Berlin","country":"DE"}}}}`

// benchMapping has five fields, as a step of a flow has.
const benchMapping = `{
	"reference": data.order.number,
	"customer": data.order.customer.name & " <" & data.order.customer.email & ">",
	"total": data.order.total,
	"country": $lowercase(data.order.shipping.country),
	"live": livemode ? "live" : "test"
}`

func BenchmarkDecode(b *testing.B) {
	doc := []byte(benchEvent)
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, err := Decode(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEncodingJSON(b *testing.B) {
	doc := []byte(benchEvent)
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		var v any
		if err := json.Unmarshal(doc, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkMapping(b *testing.B, decode bool, run func(*Expression, Value, Eval) error) {
	x := mustCompile(b, New(Limits{}), benchMapping)
	if x.Engine() != "compiled" {
		b.Fatal("the mapping is not compiled")
	}
	doc := []byte(benchEvent)
	input := mustDecode(b, benchEvent)
	ev := Eval{Now: time.Now(), Seed: 1}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if decode {
			var err error
			if input, err = Decode(doc); err != nil {
				b.Fatal(err)
			}
		}
		if err := run(x, input, ev); err != nil {
			b.Fatal(err)
		}
	}
}

func compiledRun(x *Expression, input Value, ev Eval) error {
	_, _, err := x.Evaluate(context.Background(), input, ev)
	return err
}

func officialRun(x *Expression, input Value, ev Eval) error {
	_, err := x.evaluateOfficially(context.Background(), input, ev)
	return err
}

func BenchmarkMapping(b *testing.B)             { benchmarkMapping(b, false, compiledRun) }
func BenchmarkDecodeAndMapping(b *testing.B)    { benchmarkMapping(b, true, compiledRun) }
func BenchmarkMappingOfficially(b *testing.B)   { benchmarkMapping(b, false, officialRun) }
func BenchmarkDecodeAndOfficially(b *testing.B) { benchmarkMapping(b, true, officialRun) }

func BenchmarkTemplate(b *testing.B) {
	v := mustDecode(b, `{"reference": "=data.order.number", "customer": "=data.order.customer.name & \" <\" & data.order.customer.email & \">\"",
		"total": "=data.order.total", "country": "=$lowercase(data.order.shipping.country)", "live": "=livemode ? \"live\" : \"test\"", "kind": "order"}`)
	t, err := New(Limits{}).CompileTemplate(v)
	if err != nil {
		b.Fatal(err)
	}
	input := mustDecode(b, benchEvent)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.Evaluate(context.Background(), input, Eval{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLineItems(b *testing.B) {
	x := mustCompile(b, New(Limits{}), `data.order.items[quantity > 0].{"sku": sku, "amount": $round(quantity * price, 2)}`)
	input := mustDecode(b, benchEvent)
	b.ReportAllocs()
	for b.Loop() {
		if err := compiledRun(x, input, Eval{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	engine := New(Limits{})
	mustCompile(b, engine, "1")
	b.ReportAllocs()
	for b.Loop() {
		mustCompile(b, engine, benchMapping)
	}
}

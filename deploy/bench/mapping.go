package main

import (
	"context"
	"encoding/json"
	"testing"

	"sluice/connectors/mapping"
)

// event is a webhook of 350 bytes, and fields a mapping of five of its values.
const (
	event = `{"id":"evt_1Q2w3e4r5t6y","type":"invoice.paid","created":1763900000,"livemode":true,"data":{"object":{"id":"in_1234567890","customer":{"id":"cus_987","email":"gromit@example.com","name":"Gromit"},"amount_paid":129900,"currency":"eur","lines":[{"sku":"cheese","quantity":3,"price":4300},{"sku":"crackers","quantity":1,"price":900}],"status":"paid"}}}`

	fields = `{"invoice":"=body.data.object.id","email":"=body.data.object.customer.email","amount":"=body.data.object.amount_paid / 100","currency":"=$uppercase(body.data.object.currency)","items":"=$sum(body.data.object.lines.quantity)"}`
)

func mappings(context.Context, settings) ([]line, error) {
	engine := mapping.New(mapping.Limits{})
	form, err := mapping.Decode([]byte(fields))
	if err != nil {
		return nil, err
	}
	template, err := engine.CompileTemplate(form)
	if err != nil {
		return nil, err
	}
	micros := func(fn func() error) (float64, error) {
		var failed error
		r := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := fn(); err != nil {
					failed = err
					return
				}
			}
		})
		return float64(r.NsPerOp()) / 1000, failed
	}
	var mapped, decoded []float64
	for range 3 {
		m, err := micros(func() error {
			body, err := mapping.Decode([]byte(event))
			if err != nil {
				return err
			}
			scope := mapping.NewObject()
			scope.Set("body", body)
			_, err = template.Evaluate(context.Background(), scope, mapping.Eval{})
			return err
		})
		if err != nil {
			return nil, err
		}
		d, err := micros(func() error {
			var v any
			return json.Unmarshal([]byte(event), &v)
		})
		if err != nil {
			return nil, err
		}
		mapped, decoded = append(mapped, m), append(decoded, d)
	}
	return []line{pair("mapping of 5 fields of a 350-byte event, decoding included", "µs", mapped, "encoding/json alone", decoded)}, nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/itchyny/gojq"

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
	lines := []line{pair("mapping of 5 fields of a 350-byte event, decoding included", "µs", mapped, "encoding/json alone", decoded)}
	for _, against := range []func(*mapping.Engine) (line, error){besideGojq, besideOfficial, manyLines} {
		l, err := against(engine)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// micros is how long fn takes, in microseconds.
func micros(fn func() error) (float64, error) {
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

// rounds measures one thing and another in turns.
func rounds(name string, one func() error, reference string, other func() error) (line, error) {
	var values, against []float64
	for range 3 {
		a, err := micros(one)
		if err != nil {
			return line{}, fmt.Errorf("%s: %w", name, err)
		}
		b, err := micros(other)
		if err != nil {
			return line{}, fmt.Errorf("%s: %w", reference, err)
		}
		values, against = append(values, a), append(against, b)
	}
	return pair(name, "µs", values, reference, against), nil
}

// evaluated decodes a document and evaluates an expression on it.
func evaluated(engine *mapping.Engine, expression, document, want string) (func() error, error) {
	x, err := engine.Compile(expression)
	if err != nil {
		return nil, err
	}
	if x.Engine() != want {
		return nil, fmt.Errorf("the expression is evaluated by the %s engine, not by the %s one", x.Engine(), want)
	}
	return func() error {
		v, err := mapping.Decode([]byte(document))
		if err != nil {
			return err
		}
		_, _, err = x.Evaluate(context.Background(), v, mapping.Eval{})
		return err
	}, nil
}

// queried is the same with gojq.
func queried(query, document string) (func() error, error) {
	parsed, err := gojq.Parse(query)
	if err != nil {
		return nil, err
	}
	code, err := gojq.Compile(parsed)
	if err != nil {
		return nil, err
	}
	return func() error {
		var v any
		if err := json.Unmarshal([]byte(document), &v); err != nil {
			return err
		}
		results := code.Run(v)
		for {
			result, more := results.Next()
			if !more {
				return nil
			}
			if err, failed := result.(error); failed {
				return err
			}
		}
	}, nil
}

const fiveFields = `{"invoice":data.object.id,"email":data.object.customer.email,"amount":data.object.amount_paid / 100,"currency":$uppercase(data.object.currency),"items":$sum(data.object.lines.quantity)}`

func besideGojq(engine *mapping.Engine) (line, error) {
	ours, err := evaluated(engine, fiveFields, event, "compiled")
	if err != nil {
		return line{}, err
	}
	theirs, err := queried(`{invoice:.data.object.id,email:.data.object.customer.email,amount:(.data.object.amount_paid / 100),currency:(.data.object.currency|ascii_upcase),items:([.data.object.lines[].quantity]|add)}`, event)
	if err != nil {
		return line{}, err
	}
	return rounds("the same as one expression", ours, "gojq", theirs)
}

// besideOfficial: what the compiler does not know makes the official engine evaluate the whole expression.
func besideOfficial(engine *mapping.Engine) (line, error) {
	ours, err := evaluated(engine, fiveFields, event, "compiled")
	if err != nil {
		return line{}, err
	}
	theirs, err := evaluated(engine, `($unused := function() {$eval("1")}; `+fiveFields+`)`, event, "official")
	if err != nil {
		return line{}, err
	}
	return rounds("the same as one expression", ours, "the official engine", theirs)
}

// manyLines maps an event of 65 KB.
func manyLines(engine *mapping.Engine) (line, error) {
	var b strings.Builder
	b.WriteString(`{"lines":[`)
	for i := range 1000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"sku":"article-no-%05d-de","quantity":%d,"price":%d.25,"tax":%d}`, i, i%9+1, i%500+10, i%3)
	}
	b.WriteString(`]}`)
	document := b.String()
	ours, err := evaluated(engine, `{"lines":[lines.{"sku":sku,"amount":quantity * price}],"total":$sum(lines.(quantity * price))}`, document, "compiled")
	if err != nil {
		return line{}, err
	}
	theirs, err := queried(`{lines:[.lines[]|{sku,amount:(.quantity * .price)}],total:([.lines[]|.quantity * .price]|add)}`, document)
	if err != nil {
		return line{}, err
	}
	return rounds(fmt.Sprintf("mapping of 1,000 lines in an event of %d KB", len(document)>>10), ours, "gojq", theirs)
}

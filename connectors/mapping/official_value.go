package mapping

import (
	"math"
	"strconv"

	"github.com/dop251/goja"
)

// importer makes JavaScript values of ours.
type importer struct {
	vm *goja.Runtime
	// digits holds the numbers a 64-bit float cannot: what was written, by
	// what JavaScript sees. Empty when two were written for the same.
	digits map[float64]Number
}

func (in *importer) value(v Value) goja.Value {
	switch v := v.(type) {
	case nil:
		return goja.Null()
	case *undefinedValue:
		return goja.Undefined()
	case Number:
		return in.number(v)
	case []any:
		items := make([]any, len(v))
		for i, x := range v {
			items[i] = in.value(x)
		}
		return in.vm.NewArray(items...)
	case *Object:
		if v == nil {
			return goja.Null()
		}
		o := in.vm.NewObject()
		for i := range v.members {
			in.set(o, v.members[i].key, in.value(v.members[i].value))
		}
		return o
	}
	return in.vm.ToValue(v) // bool, string, float64
}

func (in *importer) set(o *goja.Object, key string, v goja.Value) {
	// Setting __proto__ would set the prototype.
	if key == "__proto__" {
		_ = o.DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
		return
	}
	_ = o.Set(key, v)
}

func (in *importer) number(n Number) goja.Value {
	f := parseNumber(n)
	if losesDigits(n) {
		if in.digits == nil {
			in.digits = map[float64]Number{}
		}
		if was, ok := in.digits[f]; ok && was != n {
			n = ""
		}
		in.digits[f] = n
	}
	return in.vm.ToValue(f)
}

// exporter makes our values of JavaScript's.
type exporter struct {
	digits map[float64]Number
	left   int // bytes the result may still have as JSON
	limit  int
	values int
	late   func() error
}

func (out *exporter) take(n int) error {
	if out.left -= n; out.left < 0 {
		return (&Error{Code: codeOutput, value: float64(out.limit)}).complete()
	}
	return nil
}

// value returns undefined for a function.
func (out *exporter) value(v goja.Value, depth int) (Value, error) {
	if depth > maxNesting {
		return nil, (&Error{Code: codeDepth}).complete()
	}
	if out.values++; out.values%ticksPerCheck == 0 {
		if err := out.late(); err != nil {
			return nil, err
		}
	}
	if v == nil || goja.IsUndefined(v) {
		return undefined, nil
	}
	if goja.IsNull(v) {
		return nil, out.take(4)
	}
	if o, ok := v.(*goja.Object); ok {
		return out.object(o, depth)
	}
	switch x := v.Export().(type) {
	case bool:
		return x, out.take(4)
	case int64:
		if n := out.digits[float64(x)]; n != "" {
			return n, out.take(len(n))
		}
		return Number(strconv.FormatInt(x, 10)), out.take(4)
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return nil, (&Error{Code: "D1001", value: x}).complete()
		}
		if n := out.digits[x]; n != "" {
			return n, out.take(len(n))
		}
		return Number(formatNumber(x)), out.take(4)
	case string:
		return x, out.take(len(x) + 2)
	}
	return undefined, nil // a symbol: nothing in JSONata makes one
}

func (out *exporter) object(o *goja.Object, depth int) (Value, error) {
	if o.ClassName() == "Array" {
		n := int(o.Get("length").ToInteger())
		if err := out.take(2 + n); err != nil {
			return nil, err
		}
		items := make([]any, n)
		for i := range items {
			x, err := out.value(o.Get(strconv.Itoa(i)), depth+1)
			if err != nil {
				return nil, err
			}
			if !isUndefined(x) {
				items[i] = x
			}
		}
		return items, nil
	}
	if _, ok := goja.AssertFunction(o); ok || isTrue(o, "_jsonata_lambda") || isTrue(o, "_jsonata_function") {
		return undefined, nil
	}
	keys := o.Keys()
	object := &Object{members: make([]member, 0, len(keys))}
	for _, key := range keys {
		x, err := out.value(o.Get(key), depth+1)
		if err != nil {
			return nil, err
		}
		if isUndefined(x) {
			continue
		}
		if err := out.take(len(key) + 4); err != nil {
			return nil, err
		}
		object.add(key, x)
	}
	return object, nil
}

func isTrue(o *goja.Object, name string) bool {
	v := o.Get(name)
	if v == nil {
		return false
	}
	b, ok := v.Export().(bool)
	return ok && b
}

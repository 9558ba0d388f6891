package mapping

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
)

// Value is a JSON value: nil (null), bool, [Number], string, []Value (that is
// []any) or [*Object]. Values are shared, never copied: whoever holds one must
// not change it once it was given to an evaluation.
type Value = any

// Number is the text of a JSON number, with every digit it was written with.
type Number = json.Number

// Undefined is the absence of a value: as an input or a binding it stands for
// JavaScript's undefined. It never appears in a result.
var Undefined Value = undefined

type undefinedValue struct{ _ byte }

// undefined is what JSONata expressions without a result evaluate to.
var undefined = &undefinedValue{}

func isUndefined(v any) bool { return v == any(undefined) }

// indexedFrom is the number of members from which an object keeps an index.
// Below it a scan is as fast and needs no memory.
const indexedFrom = 32

type member struct {
	key   string
	value Value
}

// Object is a JSON object that keeps the order of its keys. Reading one from
// several goroutines is safe as long as nobody sets.
type Object struct {
	members []member
	index   map[string]int

	// built marks an object made by an evaluation: results are searched
	// for computed numbers in these, and in no object of the input.
	built bool
}

// NewObject returns an empty object.
func NewObject() *Object { return &Object{} }

// NewObjectOf returns an empty object with room for n members, or a few more. Of
// a small one the members are in the same piece of memory.
func NewObjectOf(n int) *Object {
	switch {
	case n == 0:
		return &Object{}
	case n <= 2:
		o := new(struct {
			Object
			room [2]member
		})
		o.members = o.room[:0]
		return &o.Object
	case n <= 4:
		o := new(struct {
			Object
			room [4]member
		})
		o.members = o.room[:0]
		return &o.Object
	case n <= 6:
		o := new(struct {
			Object
			room [6]member
		})
		o.members = o.room[:0]
		return &o.Object
	case n <= 11:
		o := new(struct {
			Object
			room [11]member
		})
		o.members = o.room[:0]
		return &o.Object
	}
	return &Object{members: make([]member, 0, n)}
}

// Copy returns an object with the same members and room for some more. It may be
// changed; the values are shared.
func (o *Object) Copy(more int) *Object {
	if o == nil {
		return NewObjectOf(more)
	}
	c := NewObjectOf(len(o.members) + more)
	if o.index != nil || len(o.members) >= indexedFrom {
		for i := range o.members {
			c.add(o.members[i].key, o.members[i].value)
		}
		return c
	}
	c.members = append(c.members, o.members...)
	return c
}

// Set gives key the value v: in place when the key exists, else at the end.
func (o *Object) Set(key string, v Value) {
	if i := o.find(key); i >= 0 {
		o.members[i].value = v
		return
	}
	o.add(key, v)
}

// add appends a member whose key is known to be new.
func (o *Object) add(key string, v Value) {
	o.members = append(o.members, member{key, v})
	switch n := len(o.members); {
	case o.index != nil:
		o.index[key] = n - 1
	case n == indexedFrom:
		o.index = make(map[string]int, 2*n)
		for i := range o.members {
			o.index[o.members[i].key] = i
		}
	}
}

func (o *Object) find(key string) int {
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].key == key {
			return i
		}
	}
	return -1
}

// Delete removes key, if it is there.
func (o *Object) Delete(key string) {
	i := o.find(key)
	if i < 0 {
		return
	}
	o.members = append(o.members[:i:i], o.members[i+1:]...)
	if o.index != nil {
		delete(o.index, key)
		for j := i; j < len(o.members); j++ {
			o.index[o.members[j].key] = j
		}
	}
}

// Get returns the value of key and whether there is one.
func (o *Object) Get(key string) (Value, bool) {
	if o == nil {
		return nil, false
	}
	if i := o.find(key); i >= 0 {
		return o.members[i].value, true
	}
	return nil, false
}

// Len returns the number of members.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.members)
}

// Keys returns the keys in order, in a slice of the caller's own.
func (o *Object) Keys() []string {
	keys := make([]string, 0, o.Len())
	o.Range(func(k string, _ Value) bool {
		keys = append(keys, k)
		return true
	})
	return keys
}

// Range calls f for every member in order, until f returns false.
func (o *Object) Range(f func(key string, v Value) bool) {
	if o == nil {
		return
	}
	for i := range o.members {
		if !f(o.members[i].key, o.members[i].value) {
			return
		}
	}
}

// ordered returns the members as JavaScript enumerates them: keys that are
// array indexes first, by number, then the others as they were set.
func (o *Object) ordered() []member {
	indexes := 0
	for i := range o.members {
		if _, ok := arrayIndex(o.members[i].key); ok {
			indexes++
		}
	}
	if indexes == 0 {
		return o.members
	}
	sorted := slices.Clone(o.members)
	slices.SortStableFunc(sorted, func(a, b member) int {
		i, iok := arrayIndex(a.key)
		j, jok := arrayIndex(b.key)
		switch {
		case iok && jok:
			return cmp.Compare(i, j)
		case iok:
			return -1
		case jok:
			return 1
		}
		return 0
	})
	return sorted
}

// arrayIndex reads a key that JavaScript takes for an array index.
func arrayIndex(key string) (uint64, bool) {
	if key == "" || key[0]-'0' > 9 || len(key) > 10 || key[0] == '0' && len(key) > 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(key, 10, 64)
	return n, err == nil && n < 1<<32-1
}

// MarshalJSON writes the object with its keys in order.
func (o *Object) MarshalJSON() ([]byte, error) { return AppendJSON(nil, o) }

// UnmarshalJSON reads a JSON object.
func (o *Object) UnmarshalJSON(b []byte) error {
	v, err := Decode(b)
	if err != nil {
		return err
	}
	read, ok := v.(*Object)
	if !ok {
		return fmt.Errorf("reading an object: the JSON is %s", kindOf(v))
	}
	*o = *read
	return nil
}

func kindOf(v Value) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case Number, float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	case *Object:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}

// FromGo turns ordinary Go values (as encoding/json, a YAML decoder or code
// makes them: maps with string keys, slices, any integer or float type) into a
// Value. The keys of a map come sorted. A type that JSON cannot hold is an
// error.
func FromGo(v any) (Value, error) {
	switch v := v.(type) {
	case nil, bool, string, Number, *undefinedValue:
		return v, nil
	case float64:
		return numberOf(v)
	case int:
		return Number(strconv.Itoa(v)), nil
	case int64:
		return Number(strconv.FormatInt(v, 10)), nil
	case []any:
		return fromGoSlice(len(v), func(i int) any { return v[i] })
	case *Object:
		if v == nil {
			return nil, nil
		}
		o := &Object{members: make([]member, 0, len(v.members))}
		for _, m := range v.members {
			x, err := FromGo(m.value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.key, err)
			}
			o.add(m.key, x)
		}
		return o, nil
	}
	return fromReflect(reflect.ValueOf(v))
}

func fromReflect(rv reflect.Value) (Value, error) {
	switch rv.Kind() {
	case reflect.Bool:
		return rv.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Number(strconv.FormatInt(rv.Int(), 10)), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Number(strconv.FormatUint(rv.Uint(), 10)), nil
	case reflect.Float32, reflect.Float64:
		return numberOf(rv.Float())
	case reflect.String:
		return rv.String(), nil
	case reflect.Slice, reflect.Array:
		return fromGoSlice(rv.Len(), func(i int) any { return rv.Index(i).Interface() })
	case reflect.Map:
		names := make([]string, 0, rv.Len())
		values := make(map[string]any, rv.Len())
		for it := rv.MapRange(); it.Next(); {
			name := fmt.Sprint(it.Key().Interface())
			names = append(names, name)
			values[name] = it.Value().Interface()
		}
		sort.Strings(names)
		o := &Object{members: make([]member, 0, len(names))}
		for _, name := range names {
			x, err := FromGo(values[name])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			o.Set(name, x)
		}
		return o, nil
	case reflect.Pointer, reflect.Interface:
		if rv.IsNil() {
			return nil, nil
		}
		return FromGo(rv.Elem().Interface())
	}
	return nil, fmt.Errorf("JSON has no value for a Go %s", rv.Type())
}

func fromGoSlice(n int, at func(int) any) (Value, error) {
	out := make([]any, n)
	for i := range out {
		x, err := FromGo(at(i))
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
		out[i] = x
	}
	return out, nil
}

package connectors

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// SampleOutput returns an output as the component would give it: its Sample, or one made from its Output schema.
func (m *Component) SampleOutput() json.RawMessage {
	if m.Sample != nil {
		return m.Sample()
	}
	return SampleOf(m.Output)
}

// SampleInput returns an input made from the component's Input schema, as a start for the designer's form.
func (m *Component) SampleInput() json.RawMessage { return SampleOf(m.Input) }

// SampleOf makes a value that a JSON Schema describes: from its examples, defaults and enums where it has them, and
// otherwise something of the right type, format and size. The same schema gives the same value. It follows references
// within the schema, ends at those that lead back to themselves, and returns null for what is not a schema. A pattern
// without an example is beyond it: the value then has the right type only.
func SampleOf(schema json.RawMessage) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(schema))
	d.UseNumber()
	var root any
	if d.Decode(&root) != nil {
		return json.RawMessage("null")
	}
	g := &sampler{root: root, left: maxSampleValues, within: map[string]bool{}}
	v, _ := g.value(root, 0)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// Bounds of a sample: it is to be read by a person.
const (
	maxSampleValues = 500
	maxSampleDepth  = 8
	maxSampleItems  = 20
)

type sampler struct {
	root   any
	left   int
	within map[string]bool // references that are being followed
}

// value makes a value; ok is false where the bounds leave none.
func (g *sampler) value(node any, depth int) (v any, ok bool) {
	if g.left--; g.left < 0 || depth > maxSampleDepth {
		return nil, false
	}
	s, isObject := node.(map[string]any)
	if !isObject {
		return nil, true
	}
	if ref, ok := s["$ref"].(string); ok {
		if g.within[ref] {
			return nil, false // it leads back to itself
		}
		g.within[ref] = true
		defer delete(g.within, ref)
	}
	s = g.resolved(s)
	if s == nil {
		return nil, false
	}
	if c, ok := s["const"]; ok {
		return c, true
	}
	if list, ok := s["examples"].([]any); ok && len(list) > 0 {
		return list[0], true
	}
	if e, ok := s["example"]; ok {
		return e, true
	}
	if d, ok := s["default"]; ok && d != nil {
		return d, true
	}
	if list, ok := s["enum"].([]any); ok && len(list) > 0 {
		return list[0], true
	}
	if list, ok := s["allOf"].([]any); ok && len(list) > 0 {
		return g.value(g.merged(s, list), depth)
	}
	for _, word := range []string{"oneOf", "anyOf"} {
		if list, ok := s[word].([]any); ok && len(list) > 0 && s["properties"] == nil {
			return g.value(list[0], depth)
		}
	}
	switch typeOf(s) {
	case "object":
		return g.object(s, depth)
	case "array":
		return g.list(s, depth), true
	case "string":
		return text(s), true
	case "integer", "number":
		return number(s), true
	case "boolean":
		return true, true
	}
	return nil, true
}

// resolved follows references within the document. It is nil where one leads nowhere or in a circle.
func (g *sampler) resolved(s map[string]any) map[string]any {
	for range 10 {
		ref, ok := s["$ref"].(string)
		if !ok {
			return s
		}
		target, ok := (&schema{doc: g.root}).at(ref)
		if !ok {
			return nil
		}
		s = target
	}
	return nil
}

// merged puts the parts of an allOf into one schema; the last word on a keyword counts, properties add up.
func (g *sampler) merged(s map[string]any, parts []any) map[string]any {
	all := maps.Clone(s)
	delete(all, "allOf")
	for _, part := range parts {
		p, ok := part.(map[string]any)
		if !ok {
			continue
		}
		if p = g.resolved(p); p == nil {
			continue
		}
		if inner, ok := p["allOf"].([]any); ok && len(inner) > 0 && g.left > 0 {
			g.left--
			p = g.merged(p, inner)
		}
		for word, v := range p {
			switch have := all[word].(type) {
			case map[string]any:
				if more, ok := v.(map[string]any); ok && word == "properties" {
					both := maps.Clone(have)
					maps.Copy(both, more)
					v = both
				}
			case []any:
				if more, ok := v.([]any); ok && word == "required" {
					v = append(slices.Clip(have), more...)
				}
			}
			all[word] = v
		}
	}
	return all
}

func typeOf(s map[string]any) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		for _, one := range t {
			if name, ok := one.(string); ok && name != "null" {
				return name
			}
		}
	}
	switch {
	case s["properties"] != nil:
		return "object"
	case s["items"] != nil:
		return "array"
	case s["pattern"] != nil || s["format"] != nil || s["minLength"] != nil:
		return "string"
	case s["minimum"] != nil || s["maximum"] != nil:
		return "number"
	}
	return ""
}

// object makes one; ok is false where something that is required cannot be made.
func (g *sampler) object(s map[string]any, depth int) (made map[string]any, ok bool) {
	made, ok = map[string]any{}, true
	properties, _ := s["properties"].(map[string]any)
	required := map[string]bool{}
	list, _ := s["required"].([]any)
	for _, name := range list {
		if text, ok := name.(string); ok {
			required[text] = true
		}
	}
	names := slices.Sorted(maps.Keys(properties))
	// What is required comes first: the bounds may end what follows.
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case required[a] == required[b]:
			return 0
		case required[a]:
			return -1
		}
		return 1
	})
	for _, name := range names {
		if p, ok := properties[name].(map[string]any); ok && p["writeOnly"] == true {
			continue // a secret is no sample
		}
		switch v, possible := g.value(properties[name], depth+1); {
		case possible:
			made[name] = v
		case required[name]:
			ok = false
		}
	}
	for name := range required {
		if _, described := properties[name]; !described {
			made[name] = "text"
		}
	}
	return made, ok
}

func (g *sampler) list(s map[string]any, depth int) []any {
	made := []any{}
	if first, ok := s["prefixItems"].([]any); ok {
		for _, item := range first {
			v, _ := g.value(item, depth+1)
			made = append(made, v)
		}
		return made
	}
	want := 1
	if least, ok := whole(s["minItems"]); ok {
		want = max(want, min(least, maxSampleItems))
	}
	if most, ok := whole(s["maxItems"]); ok {
		want = min(want, most)
	}
	for range want {
		v, ok := g.value(s["items"], depth+1)
		if !ok {
			break
		}
		made = append(made, v)
	}
	return made
}

var samples = map[string]string{
	"date-time": "2025-01-31T12:30:00Z", "date": "2025-01-31", "time": "12:30:00Z", "duration": "PT1H",
	"email": "wallace@example.com", "idn-email": "wallace@example.com", "hostname": "example.com", "idn-hostname": "example.com",
	"ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "uri": "https://example.com/", "url": "https://example.com/", "iri": "https://example.com/",
	"uri-reference": "/path", "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "byte": "dGV4dA==", "regex": ".*", "json-pointer": "/a",
}

func text(s map[string]any) string {
	format, _ := s["format"].(string)
	if sample, ok := samples[format]; ok {
		return sample
	}
	made := "text"
	if title, ok := s["title"].(string); ok && title != "" && s["pattern"] == nil {
		made = title
	}
	if least, ok := whole(s["minLength"]); ok && len(made) < least {
		made += strings.Repeat("x", min(least, 10_000)-len(made))
	}
	if most, ok := whole(s["maxLength"]); ok && len(made) > most {
		made = strings.ToValidUTF8(made[:max(0, most)], "")
	}
	return made
}

func number(s map[string]any) json.Number {
	at := func(word string) (json.Number, bool) {
		n, ok := s[word].(json.Number)
		return n, ok
	}
	if n, ok := at("minimum"); ok {
		return n
	}
	above, hasAbove := whole(s["exclusiveMinimum"])
	step, hasStep := whole(s["multipleOf"])
	switch {
	case hasAbove && hasStep && step > 0:
		return intNumber((above/step + 1) * step)
	case hasAbove:
		return intNumber(above + 1)
	case hasStep && step > 0:
		return intNumber(step)
	}
	if most, ok := whole(s["maximum"]); ok && most < 1 {
		return intNumber(most)
	}
	return "1"
}

func intNumber(n int) json.Number {
	raw, _ := json.Marshal(n)
	return json.Number(raw)
}

func whole(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	if err != nil || i > 1<<31 || i < -(1<<31) {
		return 0, false
	}
	return int(i), true
}

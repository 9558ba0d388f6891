package schemas

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// at is the part of the schema that a location (a URL with a JSON pointer as
// its fragment) names.
func (s *Schema) at(location string) map[string]any {
	_, pointer, _ := strings.Cut(location, "#")
	v := s.raw
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if part == "" {
			continue
		}
		switch x := v.(type) {
		case map[string]any:
			v = x[unescapePointer.Replace(part)]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	m, _ := v.(map[string]any)
	return m
}

// resolve follows a $ref within the schema.
func (s *Schema) resolve(v any) map[string]any {
	m, _ := v.(map[string]any)
	for range 10 { // references may form a ring
		ref, ok := m["$ref"].(string)
		if !ok {
			return m
		}
		m = s.at(ref)
	}
	return nil
}

func (s *Schema) property(schema map[string]any, name string) map[string]any {
	properties, _ := schema["properties"].(map[string]any)
	p, _ := properties[name].(map[string]any)
	return p
}

// example is the first example, the default or the first enumerated value as
// JSON, or "".
func (s *Schema) example(schema map[string]any) string {
	for _, m := range []map[string]any{schema, s.resolve(schema)} {
		if list, ok := m["examples"].([]any); ok && len(list) > 0 {
			return compact(list[0])
		}
		for _, keyword := range []string{"default", "const"} {
			if v, ok := m[keyword]; ok {
				return compact(v)
			}
		}
		if list, ok := m["enum"].([]any); ok && len(list) > 0 {
			return compact(list[0])
		}
	}
	return ""
}

func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

func (s *Schema) format(schema map[string]any) string {
	format, _ := s.resolve(schema)["format"].(string)
	return format
}

// choices are the texts that a schema lists, its branches included.
func (s *Schema) choices(schema map[string]any) []string {
	var all []string
	list, _ := schema["enum"].([]any)
	for _, v := range list {
		if text, ok := v.(string); ok {
			all = append(all, text)
		}
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		branches, _ := schema[keyword].([]any)
		for _, b := range branches {
			all = append(all, s.choices(s.resolve(b))...)
		}
	}
	return all
}

// want says in words what a schema takes; "" when there are no words for it.
// brief leaves out how long a text or a list may be.
func (s *Schema) want(schema map[string]any, in syntax, brief bool) string {
	if text, ok := schema["x-want"].(string); ok {
		return text
	}
	if list, ok := schema["enum"].([]any); ok {
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = strings.Trim(compact(v), `"`)
		}
		if len(words) == 1 {
			return words[0]
		}
		return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	}
	if v, ok := schema["const"]; ok {
		return strings.Trim(compact(v), `"`)
	}
	if _, ok := schema["pattern"]; ok {
		if text, ok := schema["description"].(string); ok && in == anySyntax {
			return strconv.Quote(text) // a connector's own words
		}
	}
	var words []string
	switch t := schema["type"].(type) {
	case string:
		words = append(words, typeWord(t, schema, in, brief))
	case []any:
		for _, name := range t {
			if text, ok := name.(string); ok {
				words = append(words, typeWord(text, schema, in, brief))
			}
		}
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " or ")
}

func typeWord(name string, schema map[string]any, in syntax, brief bool) string {
	size := schema
	if brief {
		size = nil
	}
	switch name {
	case "integer":
		return "a whole number" + bounds(schema, "minimum", "maximum", "")
	case "number":
		return "a number" + bounds(schema, "minimum", "maximum", "")
	case "string":
		if format, ok := schema["format"].(string); ok {
			return "a text of format " + format
		}
		if pattern, ok := schema["pattern"].(string); ok {
			return "a text like " + pattern
		}
		return "a text" + bounds(size, "minLength", "maxLength", " characters")
	case "boolean":
		return "true or false"
	case "array":
		return "a list" + bounds(size, "minItems", "maxItems", " entries")
	case "object":
		return in.object() + bounds(size, "minProperties", "maxProperties", " fields")
	case "null":
		return "nothing"
	}
	return ""
}

// syntax is how a document is written.
type syntax byte

const (
	anySyntax syntax = iota // unknown
	yamlSyntax
	jsonSyntax
)

// plainText is text that needs no quotes in YAML, whatever is around it.
var plainText = regexp.MustCompile(`^(=|[A-Za-z/]|[0-9]+(ns|us|ms|[smh]|/[smh])$)[^:#,\[\]{}\x00-\x1f]*$`)

// write is a member, its value given as JSON, as one would write it.
func (in syntax) write(name, value string) string {
	if in == jsonSyntax {
		return "`" + compact(name) + ": " + value + "`"
	}
	return "`" + name + ": " + in.value(value) + "`"
}

// value is a value, given as JSON, as one would write it.
func (in syntax) value(value string) string {
	var text string
	if in != yamlSyntax || json.Unmarshal([]byte(value), &text) != nil {
		return value
	}
	switch {
	case plainText.MatchString(text):
		return text
	case strings.ContainsFunc(text, unicode.IsControl):
		return value
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

func (in syntax) object() string {
	if in == yamlSyntax {
		return "a mapping"
	}
	return "an object"
}

func bounds(schema map[string]any, low, high, unit string) string {
	least, hasLeast := schema[low]
	most, hasMost := schema[high]
	switch {
	case hasLeast && hasMost:
		return fmt.Sprintf(" from %v to %v%s", least, most, unit)
	case hasLeast:
		return fmt.Sprintf(" of at least %v%s", least, unit)
	case hasMost:
		return fmt.Sprintf(" of at most %v%s", most, unit)
	}
	return ""
}

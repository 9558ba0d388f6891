package openapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// schemas converts a document's schemas to JSON Schema 2020-12, each shared one once.
type schemas struct {
	doc  *document
	defs map[string]json.RawMessage // by name; nil while it is being converted
	name map[string]string          // of a reference
}

// names of the words that hold schemas.
var (
	schemaWords = map[string]bool{
		"items": true, "not": true, "additionalProperties": true, "contains": true, "propertyNames": true, "if": true, "then": true, "else": true,
	}
	schemaLists = map[string]bool{"allOf": true, "oneOf": true, "anyOf": true, "prefixItems": true}
	schemaMaps  = map[string]bool{"properties": true, "patternProperties": true, "dependentSchemas": true}
	// kept are the words whose values stay as they are, by the kind of value that is right for them.
	kept = map[string]func(any) bool{
		"title": isText, "description": isText, "format": isText, "const": anything, "default": anything, "examples": isList, "enum": isFilled,
		"minimum": isNumber, "maximum": isNumber, "multipleOf": isNumber, "minLength": isCount, "maxLength": isCount, "minItems": isCount,
		"maxItems": isCount, "minProperties": isCount, "maxProperties": isCount, "minContains": isCount, "maxContains": isCount,
		"uniqueItems": isBool, "readOnly": isBool, "writeOnly": isBool, "deprecated": isBool, "contentMediaType": isText, "contentEncoding": isText,
	}
)

func anything(any) bool { return true }
func isText(v any) bool { _, ok := v.(string); return ok }
func isBool(v any) bool { _, ok := v.(bool); return ok }
func isList(v any) bool { _, ok := v.([]any); return ok }
func isFilled(v any) bool {
	list, ok := v.([]any)
	return ok && len(list) > 0
}
func isNumber(v any) bool {
	n, ok := v.(json.Number)
	return ok && len(n) < 400
}
func isCount(v any) bool {
	n, ok := v.(json.Number)
	return ok && regexp.MustCompile(`^[0-9]{1,9}$`).MatchString(string(n))
}

// convert makes a JSON Schema of one of OpenAPI. What is malformed in it is left out: a schema that says less is still true.
func (s *schemas) convert(v any, depth int) any {
	o, ok := v.(object)
	if !ok || depth > maxDepth {
		if b, ok := v.(bool); ok {
			return b
		}
		return object{}
	}
	if ref, ok := o["$ref"].(string); ok {
		name := s.shared(ref)
		if name == "" {
			return object{}
		}
		made := object{"$ref": "#/$defs/" + pointerEscape.Replace(name)}
		if d := text(o, "description"); d != "" {
			made["description"] = d
		}
		return made
	}
	made := make(object, len(o))
	for word, v := range o {
		switch {
		case schemaWords[word]:
			made[word] = s.convert(v, depth+1)
		case schemaLists[word]:
			if list, ok := v.([]any); ok && len(list) > 0 {
				converted := make([]any, len(list))
				for i := range list {
					converted[i] = s.convert(list[i], depth+1)
				}
				made[word] = converted
			}
		case schemaMaps[word]:
			if inner, ok := v.(object); ok {
				converted := make(object, len(inner))
				for name := range inner {
					if word != "patternProperties" || compiles(name) {
						converted[name] = s.convert(inner[name], depth+1)
					}
				}
				made[word] = converted
			}
		case kept[word] != nil:
			if kept[word](v) {
				made[word] = v
			}
		case word == "pattern":
			if p, ok := v.(string); ok && compiles(p) {
				made[word] = p
			}
		}
	}
	s.types(o, made)
	s.bounds(o, made)
	s.required(o, made)
	if e, ok := o["example"]; ok && made["examples"] == nil {
		made["examples"] = []any{e}
	}
	return made
}

var known = map[string]bool{"string": true, "number": true, "integer": true, "boolean": true, "object": true, "array": true, "null": true}

func (s *schemas) types(o, made object) {
	var types []any
	switch t := o["type"].(type) {
	case string:
		if t == "file" { // Swagger 2.0
			t, made["contentEncoding"] = "string", "base64"
		}
		if known[t] {
			types = []any{t}
		}
	case []any:
		for _, one := range t {
			if name, ok := one.(string); ok && known[name] && !slices.Contains(types, any(name)) {
				types = append(types, name)
			}
		}
	}
	nullable := o["nullable"] == true || o["x-nullable"] == true
	if nullable && len(types) > 0 && !slices.Contains(types, any("null")) {
		types = append(types, "null")
		if list, ok := made["enum"].([]any); ok && !slices.Contains(list, any(nil)) {
			made["enum"] = append(slices.Clone(list), nil)
		}
	}
	switch len(types) {
	case 0:
		if nullable && (made["allOf"] != nil || made["oneOf"] != nil || made["anyOf"] != nil) {
			inner := object{}
			for _, word := range []string{"allOf", "oneOf", "anyOf"} {
				if v, ok := made[word]; ok {
					inner[word] = v
					delete(made, word)
				}
			}
			made["anyOf"] = []any{inner, object{"type": "null"}}
		}
	case 1:
		made["type"] = types[0]
	default:
		made["type"] = types
	}
}

// bounds: in OpenAPI 3.0 exclusive is a word on minimum, in JSON Schema a number of its own.
func (s *schemas) bounds(o, made object) {
	for word, plain := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
		switch v := o[word].(type) {
		case bool:
			if v && made[plain] != nil {
				made[word] = made[plain]
				delete(made, plain)
			}
		case json.Number:
			if isNumber(v) {
				made[word] = v
			}
		}
	}
	if n, ok := made["multipleOf"].(json.Number); ok && (strings.HasPrefix(string(n), "-") || strings.Trim(string(n), "0.") == "") {
		delete(made, "multipleOf")
	}
}

// required leaves out what only the service sets.
func (s *schemas) required(o, made object) {
	list, ok := o["required"].([]any)
	if !ok {
		return
	}
	properties, _ := o["properties"].(object)
	var names []any
	for _, v := range list {
		name, ok := v.(string)
		if !ok || slices.Contains(names, any(name)) {
			continue
		}
		if p := s.doc.resolved(properties[name]); p == nil || p["readOnly"] != true {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		made["required"] = names
	}
}

func compiles(pattern string) bool {
	_, err := regexp.Compile(pattern)
	return err == nil && len(pattern) < 2000
}

var (
	pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")
	oddNames      = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
)

// shared is the name under which the target of a reference is kept; "" where it leads nowhere.
func (s *schemas) shared(ref string) string {
	if name, ok := s.name[ref]; ok {
		return name
	}
	target := s.doc.find(ref)
	if target == nil {
		s.name[ref] = ""
		return ""
	}
	name := ref[strings.LastIndexByte(ref, '/')+1:]
	if !strings.HasPrefix(ref, "#/components/schemas/") && !strings.HasPrefix(ref, "#/definitions/") || strings.Count(ref, "/") > 3 {
		name = strings.TrimPrefix(ref, "#/")
	}
	name = strings.Trim(oddNames.ReplaceAllString(unescape(name), "_"), "_")
	if name == "" {
		name = "schema"
	}
	for base, i := name, 2; ; i++ {
		if _, taken := s.defs[name]; !taken {
			break
		}
		name = base + "_" + strconv.Itoa(i)
	}
	s.name[ref] = name
	s.defs[name] = nil
	s.defs[name] = jsonText(s.convert(target, 0))
	return name
}

func jsonText(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return json.RawMessage("{}")
	}
	return bytes.TrimSpace(b.Bytes())
}

var refPattern = regexp.MustCompile(`"\$ref":"#/\$defs/([^"]*)"`)

// complete puts what a schema refers to into it, the nearest first, as long as it stays within limit; what is beyond is
// described by its name alone.
func complete(root json.RawMessage, defs map[string]json.RawMessage, limit int) json.RawMessage {
	if len(root) == 0 {
		return json.RawMessage("{}")
	}
	if len(root) > limit {
		root = json.RawMessage(`{"description":"too large to be described here"}`)
	}
	used := map[string]json.RawMessage{}
	size := len(root)
	queue := references(root)
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if _, ok := used[name]; ok {
			continue
		}
		def := defs[name]
		if def == nil || size+len(def)+len(name) > limit {
			used[name] = jsonText(object{"title": name})
			continue
		}
		used[name] = def
		size += len(def) + len(name)
		queue = append(queue, references(def)...)
	}
	if len(used) == 0 {
		return root
	}
	var b bytes.Buffer
	b.Write(root[:len(root)-1])
	if len(root) > 2 {
		b.WriteByte(',')
	}
	b.WriteString(`"$defs":{`)
	for i, name := range slices.Sorted(maps.Keys(used)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(jsonText(name))
		b.WriteByte(':')
		b.Write(used[name])
	}
	b.WriteString("}}")
	return b.Bytes()
}

func references(schema json.RawMessage) []string {
	var names []string
	for _, m := range refPattern.FindAllSubmatch(schema, -1) {
		names = append(names, strings.ReplaceAll(strings.ReplaceAll(string(m[1]), "~1", "/"), "~0", "~"))
	}
	return names
}

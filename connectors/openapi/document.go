package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

type object = map[string]any

// document is a document's tree, with references followed on demand.
type document struct {
	root object
}

func decode(data []byte) (*document, error) {
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("the document has %d bytes; at most %d are read", len(data), MaxDocument)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var root any
	var err error
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		root, err = decodeJSON(trimmed)
		if err != nil {
			if fromYAML, other := decodeYAML(data); other == nil { // flow style begins with a brace too
				root, err = fromYAML, nil
			}
		}
	} else {
		root, err = decodeYAML(data)
	}
	if err != nil {
		return nil, err
	}
	o, ok := root.(object)
	if !ok {
		return nil, errors.New("this is no OpenAPI document: it is not an object")
	}
	return &document{o}, nil
}

func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var root any
	if err := d.Decode(&root); err != nil {
		return nil, fmt.Errorf("the document cannot be read as JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("the document cannot be read as JSON: something follows it")
	}
	return root, nil
}

func decodeYAML(data []byte) (any, error) {
	var n yaml.Node
	if err := yaml.Unmarshal(data, &n); err != nil {
		return nil, fmt.Errorf("the document cannot be read as YAML: %w", err)
	}
	if len(n.Content) == 0 {
		return nil, errors.New("the document is empty")
	}
	left := maxValues
	return fromYAML(n.Content[0], 0, &left)
}

var errTooLarge = errors.New("the document is nested too deeply, or its aliases make it too large")

func fromYAML(n *yaml.Node, depth int, left *int) (any, error) {
	if *left--; *left < 0 || depth > maxDepth {
		return nil, errTooLarge
	}
	switch n.Kind {
	case yaml.AliasNode:
		return fromYAML(n.Alias, depth+1, left)
	case yaml.MappingNode:
		o := make(object, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := fromYAML(n.Content[i+1], depth+1, left)
			if err != nil {
				return nil, err
			}
			if merged, ok := v.(object); ok && n.Content[i].Tag == "!!merge" {
				for k, v := range merged {
					if _, given := o[k]; !given {
						o[k] = v
					}
				}
				continue
			}
			o[n.Content[i].Value] = v
		}
		return o, nil
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			v, err := fromYAML(item, depth+1, left)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	switch n.Tag {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strconv.ParseBool(strings.ToLower(n.Value))
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value), nil
		}
		var f float64
		if n.Decode(&f) == nil {
			if text, err := json.Marshal(f); err == nil {
				return json.Number(text), nil
			}
		}
	}
	return n.Value, nil
}

// find follows a reference within the document. It is nil for one that leads nowhere or outside.
func (d *document) find(ref string) any {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	var at any = d.root
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if part == "" {
			continue
		}
		part = unescape(part)
		switch v := at.(type) {
		case object:
			at = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

// resolved is an object, or the one that it refers to; nil where that leads nowhere.
func (d *document) resolved(v any) object {
	for range 20 {
		o, ok := v.(object)
		if !ok {
			return nil
		}
		ref, ok := o["$ref"].(string)
		if !ok {
			return o
		}
		v = d.find(ref)
	}
	return nil
}

func unescape(part string) string {
	if strings.Contains(part, "%") {
		part = percent(part)
	}
	return strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
}

func percent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

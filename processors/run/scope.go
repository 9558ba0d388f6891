package run

import (
	"encoding/base64"
	"mime"
	"net/url"
	"sort"
	"strings"
	"unicode/utf8"

	"sluice/connectors/mapping"
	"sluice/schemas"
)

// newScope is what the hook brings into the scope of expressions: an envelope
// around the body, which is never mixed with it.
func newScope(h *schemas.Hook) *mapping.Object {
	query, _ := url.ParseQuery(h.Query) // what cannot be parsed is left out
	headers := mapping.NewObject()
	for _, name := range sortedKeys(h.Headers) {
		headers.Set(name, h.Headers[name])
	}
	scope := mapping.NewObject()
	scope.Set("body", bodyView(h, query))
	scope.Set("query", nested(query))
	scope.Set("headers", headers)
	scope.Set("method", h.Method)
	scope.Set("path", h.Path)
	scope.Set("files", []mapping.Value{})
	return scope
}

// bodyView is the parsed body; the raw bytes stay what is kept.
func bodyView(h *schemas.Hook, query url.Values) mapping.Value {
	if h.Method == "GET" && len(h.Body) == 0 {
		return nested(query)
	}
	if len(h.Body) == 0 {
		return nil
	}
	media, _, _ := mime.ParseMediaType(h.ContentType)
	switch {
	case media == "application/x-www-form-urlencoded":
		if form, err := url.ParseQuery(string(h.Body)); err == nil {
			return nested(form)
		}
	case media == "application/json", strings.HasSuffix(media, "+json"), media == "":
		if v, err := mapping.Decode(h.Body); err == nil {
			return v
		}
	}
	if utf8.Valid(h.Body) {
		return string(h.Body)
	}
	return base64.StdEncoding.EncodeToString(h.Body)
}

// nested turns form fields into an object: a[b]=1 nests, a[]=1 and a repeated
// a make arrays. Names are in alphabetical order, since url.Values has none.
func nested(form url.Values) *mapping.Object {
	root := mapping.NewObject()
	for _, name := range sortedKeys(form) {
		values := form[name]
		path := fieldPath(name)
		list := path[len(path)-1] == ""
		if list && len(path) > 1 {
			path = path[:len(path)-1]
		}
		var v mapping.Value = values[0]
		if list || len(values) > 1 {
			items := make([]mapping.Value, len(values))
			for i, s := range values {
				items[i] = s
			}
			v = items
		}
		put(root, path, v)
	}
	return root
}

// fieldPath splits a[b][c] into a, b, c. Brackets that do not match, or more
// than maxNesting of them, are part of the name.
func fieldPath(name string) []string {
	const maxNesting = 16
	open := strings.IndexByte(name, '[')
	if open <= 0 || !strings.HasSuffix(name, "]") {
		return []string{name}
	}
	rest := name[open+1 : len(name)-1]
	parts := strings.Split(rest, "][")
	if len(parts) > maxNesting || strings.ContainsAny(strings.Join(parts, ""), "[]") {
		return []string{name}
	}
	return append([]string{name[:open]}, parts...)
}

func put(o *mapping.Object, path []string, v mapping.Value) {
	for _, key := range path[:len(path)-1] {
		next, _ := o.Get(key)
		child, ok := next.(*mapping.Object)
		if !ok {
			child = mapping.NewObject()
			if next != nil {
				child.Set("", next) // a=1&a[b]=2: nothing is lost
			}
			o.Set(key, child)
		}
		o = child
	}
	last := path[len(path)-1]
	if old, ok := o.Get(last); ok {
		if child, ok := old.(*mapping.Object); ok {
			child.Set("", v)
			return
		}
	}
	o.Set(last, v)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

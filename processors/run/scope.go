package run

import (
	"sort"

	"sluice/connectors/mapping"
	"sluice/schemas"
	"sluice/schemas/bodies"
)

// newScope is what the hook, its body at hand, brings into the scope of
// expressions: an envelope around the body, which is never mixed with it.
func newScope(h *schemas.Hook, raw bool) *mapping.Object {
	headers := mapping.NewObjectOf(len(h.Headers))
	for _, name := range sortedKeys(h.Headers) {
		headers.Set(name, h.Headers[name])
	}
	query := queryView(h.Query)
	scope := mapping.NewObjectOf(6)
	scope.Set("body", bodyView(h, query, raw))
	scope.Set("query", query)
	scope.Set("headers", headers)
	scope.Set("method", h.Method)
	scope.Set("path", h.Path)
	scope.Set("files", filesView(h))
	return scope
}

func queryView(query string) mapping.Value {
	if query == "" {
		return mapping.NewObject()
	}
	return bodies.FormFields([]byte(query), views)
}

// views makes views of mapping's values.
var views = bodies.Maker{
	Object: func() bodies.Object { return mapping.NewObject() },
	JSON:   func(text []byte) (any, error) { return mapping.Decode(text) },
}

// bodyView is the parsed body; the raw bytes stay what is kept. One that is not
// what its type says is there as it came: the edge refuses those, but not every
// record of the topic is the edge's.
func bodyView(h *schemas.Hook, query mapping.Value, raw bool) mapping.Value {
	switch {
	case raw:
		return bodies.Raw(h.Body)
	case h.Method == "GET" && len(h.Body) == 0 && h.BodyRef == nil:
		return query
	}
	kind, err := bodies.TypeOf(h.ContentType)
	if err != nil {
		return bodies.Raw(h.Body)
	}
	view, err := kind.View(h.Body, bodies.DefaultLimits, views)
	if err != nil {
		return bodies.Raw(h.Body)
	}
	return view
}

var noFiles mapping.Value = []mapping.Value{}

// filesView are the files of a hook. A step that takes a file is given one of
// these, or its ref.
func filesView(h *schemas.Hook) mapping.Value {
	if len(h.Files) == 0 {
		return noFiles
	}
	list := make([]mapping.Value, len(h.Files))
	for i, f := range h.Files {
		file := mapping.NewObject()
		file.Set("name", f.Name)
		file.Set("contentType", f.ContentType)
		file.Set("size", mapping.Number(itoa(f.Size)))
		file.Set("sha256", f.SHA256)
		file.Set("field", f.Field)
		file.Set("ref", fileRef(i))
		list[i] = file
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// request is an action with its input filled in.
type request struct {
	doing, method, key string
	path               []string          // segments, with their places
	places             map[string]string // what goes into the places that are fields of the input
	query              url.Values
	header             http.Header
	body               []byte
}

// request fills the fields of an input into the action.
func (a *Action) request(lists Lists, input json.RawMessage) (*request, error) {
	doing := strings.ToLower(a.Title[:1]) + a.Title[1:]
	refuse := func(format string, args ...any) error {
		return connectors.BadInput("%s: %s", doing, fmt.Sprintf(format, args...))
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(input, &fields); err != nil || fields == nil {
		return nil, refuse("the input must be an object")
	}
	r := &request{doing: doing, method: a.Method, places: map[string]string{}, query: url.Values{}, header: http.Header{}}

	r.path = parts(a.Path)
	for _, found := range place.FindAllStringSubmatch(a.Path, -1) {
		name := found[1]
		if name[0] == '@' {
			continue
		}
		text, err := plain(fields[name], name)
		if err != nil {
			return nil, refuse("%v", err)
		}
		r.places[name] = text
	}
	for name := range r.places {
		delete(fields, name)
	}
	for _, name := range a.Query {
		if value, ok := fields[name]; ok {
			write(r.query, a.as(name), value, lists)
			delete(fields, name)
		}
	}
	if a.Body == NoBody {
		return r, nil
	}
	renamed := make(map[string]json.RawMessage, len(fields))
	for name, value := range fields {
		renamed[a.as(name)] = value
	}
	var shaped any = renamed
	var err error
	if a.Shape != nil {
		if shaped, err = a.Shape(renamed); err != nil {
			return nil, refuse("%v", err)
		}
	}
	if r.body, err = encode(shaped); err != nil {
		return nil, refuse("the input cannot be written as JSON")
	}
	r.header.Set("Content-Type", "application/json")
	if a.Body == Form {
		form := url.Values{}
		write(form, "", r.body, lists)
		r.body = []byte(form.Encode())
		r.header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r, nil
}

func (a *Action) as(name string) string {
	if other, ok := a.As[name]; ok {
		return other
	}
	return name
}

// parts are the segments of a path. Each stays one, whatever is filled in.
func parts(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

var place = regexp.MustCompile(`\{(@?[A-Za-z0-9_]+)\}`)

// fill replaces each {name} of a segment, in one pass: what a value holds is never a place.
func fill(segment string, value func(name string) string) string {
	return place.ReplaceAllStringFunc(segment, func(p string) string { return value(p[1 : len(p)-1]) })
}

// plain returns a text or number of the input as it is written in a URL.
func plain(value json.RawMessage, name string) (string, error) {
	var text string
	if json.Unmarshal(value, &text) == nil && text != "" {
		return text, nil
	}
	var number json.Number
	if json.Unmarshal(value, &number) == nil && number != "" {
		return number.String(), nil
	}
	return "", fmt.Errorf("%s: must be text or a number, and not empty", name)
}

// write adds a JSON value to form or query values: objects nest as a[b], null is left out, numbers keep their digits.
func write(values url.Values, name string, raw json.RawMessage, lists Lists) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) == nil {
		writeValue(values, name, v, lists)
	}
}

func writeValue(values url.Values, name string, v any, lists Lists) {
	inside := func(key string) string {
		if name == "" {
			return key
		}
		return name + "[" + key + "]"
	}
	switch v := v.(type) {
	case nil:
	case []any:
		for i, item := range v {
			if lists == Indexed {
				writeValue(values, inside(strconv.Itoa(i)), item, lists)
			} else {
				writeValue(values, name, item, lists)
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			writeValue(values, inside(key), v[key], lists)
		}
	default:
		values.Add(name, fmt.Sprint(v))
	}
}

// encode writes JSON in which <, > and & stay.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// body is the answer's JSON as it came; null where there is none.
func body(a outgoing.Answer) (json.RawMessage, error) {
	content := bytes.TrimSpace(a.Body)
	if len(content) == 0 {
		return json.RawMessage("null"), nil
	}
	if !json.Valid(content) {
		return nil, errors.New("not JSON")
	}
	return content, nil
}

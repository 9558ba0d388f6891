package outgoing

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// AnswerSchema is the JSON Schema of what [Answer.JSON] returns.
const AnswerSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "title": "The answer",
  "required": ["status", "headers", "body"],
  "properties": {
    "status": {"type": "integer", "title": "Status", "description": "The HTTP status", "examples": [200]},
    "headers": {"type": "object", "title": "Headers", "description": "Names in lower case; repeated ones joined by a comma", "additionalProperties": {"type": "string"}},
    "body": {"title": "Body", "description": "JSON as it came, other text as text, anything else in base64; null when empty"},
    "bodyEncoding": {"const": "base64", "title": "Body encoding", "description": "Present when the body is not text"}
  }
}`

// JSON returns the answer as an output: {"status", "headers", "body"}. A JSON body keeps the digits of its numbers; text
// is text; bytes that are not UTF-8 are base64, with "bodyEncoding": "base64"; an empty body is null.
func (a Answer) JSON() json.RawMessage {
	output := struct {
		Status       int               `json:"status"`
		Headers      map[string]string `json:"headers"`
		Body         json.RawMessage   `json:"body"`
		BodyEncoding string            `json:"bodyEncoding,omitempty"`
	}{Status: a.Status, Headers: make(map[string]string, len(a.Header)), Body: json.RawMessage("null")}
	for name, values := range a.Header {
		output.Headers[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	body := bytes.TrimPrefix(a.Body, []byte("\xef\xbb\xbf"))
	switch {
	case len(body) == 0:
	case !utf8.Valid(body):
		output.Body = encoded(base64.StdEncoding.EncodeToString(a.Body))
		output.BodyEncoding = "base64"
	case isJSON(a.Header.Get("Content-Type")) && json.Valid(body):
		output.Body = body
	default:
		output.Body = encoded(string(body))
	}
	return encoded(output)
}

// encoded writes texts, and JSON that is known to be valid, as they are: <, > and & stay.
func encoded(v any) json.RawMessage {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json"))
}

// Content makes the body of a request from a value of the input, and says of what type it is.
//
//   - no value: no body
//   - contentType empty: the value as JSON, with its digits
//   - a string with a content type: its text
//   - an object with application/x-www-form-urlencoded: a form, nested keys as a[b], lists as repeated keys
//   - anything else with a content type: the value as JSON, under that type
func Content(value json.RawMessage, contentType string) (body []byte, contentTypeSent string, err error) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return nil, "", nil
	}
	if contentType == "" {
		return value, "application/json", nil
	}
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, "", fmt.Errorf("the content type %q is malformed: write it like application/json", contentType)
	}
	if value[0] == '"' {
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return nil, "", fmt.Errorf("reading the body: %w", err)
		}
		return []byte(text), contentType, nil
	}
	if t == "application/x-www-form-urlencoded" {
		form, err := Query(value)
		if err != nil {
			return nil, "", fmt.Errorf("the body of a form: %w", err)
		}
		return []byte(form.Encode()), contentType, nil
	}
	return value, contentType, nil
}

// Query makes query or form values from a JSON object: texts, numbers with their digits, true and false; lists repeat
// the key, objects nest as a[b], null is left out.
func Query(object json.RawMessage) (url.Values, error) {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return nil, errors.New("must be an object of names and values")
	}
	values := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		addField(values, name, fields[name])
	}
	return values, nil
}

func addField(values url.Values, name string, v any) {
	switch v := v.(type) {
	case nil:
	case []any:
		for _, item := range v {
			addField(values, name, item)
		}
	case map[string]any:
		for _, inner := range slices.Sorted(maps.Keys(v)) {
			addField(values, name+"["+inner+"]", v[inner])
		}
	default:
		values.Add(name, fmt.Sprint(v))
	}
}

// reserved headers are set by the client from the request itself; a second word on them would let one request be read as
// two (RFC 9112, 11.2) or undo the guard.
var reserved = []string{
	"Connection", "Content-Length", "Expect", "Host", "Http2-Settings", "Keep-Alive", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// Header makes a request's header from names and values of the input. The error names the header that cannot be set.
func Header(fields map[string]string) (http.Header, error) {
	h := make(http.Header, len(fields)+4)
	for name, value := range fields {
		canonical := http.CanonicalHeaderKey(strings.TrimSpace(name))
		if slices.Contains(reserved, canonical) {
			return nil, fmt.Errorf("the header %s is set by the client itself: remove it", canonical)
		}
		if _, twice := h[canonical]; twice {
			return nil, fmt.Errorf("the header %s is given twice in different spellings", canonical)
		}
		h[canonical] = []string{value}
	}
	if err := checkHeader(h); err != nil {
		return nil, err
	}
	return h, nil
}

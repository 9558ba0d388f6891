package openapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// request fills an input into the operation. base is changed.
func (o *Operation) request(base *url.URL, call connectors.Call) (outgoing.Request, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(call.Input, &in); err != nil {
		return outgoing.Request{}, connectors.BadInput("the input must be an object")
	}
	header := http.Header{"Accept": {"application/json"}}
	if len(o.Accept) > 0 {
		header["Accept"] = []string{strings.Join(o.Accept, ", ")}
	}
	path := o.Path
	query := base.Query()
	var cookies []string
	for _, p := range o.Parameters {
		raw, given := in[p.Field]
		if p.Key && (!given || string(raw) == "null") && call.IdempotencyKey != "" {
			raw, given = jsonText(call.IdempotencyKey), true
		}
		if !given || string(raw) == "null" && p.In != "path" {
			continue
		}
		v, err := value(raw)
		if err != nil {
			return outgoing.Request{}, connectors.BadInput("%s: cannot be read", p.Field)
		}
		switch p.In {
		case "path":
			text := p.simple(v)
			if text == "" || text == "." || text == ".." {
				return outgoing.Request{}, connectors.BadInput("%s: must not be empty, and no dots alone: it is part of the address", p.Field)
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(text))
		case "query":
			p.query(query, v)
		case "header":
			header[http.CanonicalHeaderKey(p.Name)] = []string{p.simple(v)}
		case "cookie":
			cookies = append(cookies, p.Name+"="+url.QueryEscape(p.simple(v)))
		}
	}
	if len(cookies) > 0 {
		header["Cookie"] = []string{strings.Join(cookies, "; ")}
	}
	if m := placeholders.FindString(path); m != "" {
		return outgoing.Request{}, connectors.BadInput("%s: is required", strings.Trim(m, "{}"))
	}
	u, err := url.Parse(strings.TrimRight(base.Scheme+"://"+base.Host+base.EscapedPath(), "/") + path)
	if err != nil {
		return outgoing.Request{}, connectors.BadInput("the address cannot be made: a parameter holds characters that it cannot")
	}
	u.RawQuery = query.Encode()
	q := outgoing.Request{Method: o.Method, URL: u, Header: header}
	if raw, given := in["body"]; given && o.Body != nil && string(raw) != "null" {
		contentType := ""
		if q.Body, contentType, err = o.Body.encode(raw); err != nil {
			return outgoing.Request{}, err
		}
		header.Set("Content-Type", contentType)
	}
	// Whether the service honours it or not, it says that this is the same call again.
	if o.effect() == connectors.Neither && call.IdempotencyKey != "" && header.Get("Idempotency-Key") == "" {
		header.Set("Idempotency-Key", call.IdempotencyKey)
	}
	for name, values := range header {
		if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
			return outgoing.Request{}, connectors.BadInput("the header %q holds a line break: remove it", name)
		}
	}
	return q, nil
}

func value(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// plain writes a value that is neither a list nor an object.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	}
	return string(jsonText(v))
}

// simple is the style of paths and headers: a,b and k,v or k=v.
func (p Parameter) simple(v any) string {
	if p.JSON {
		return string(jsonText(v))
	}
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = plain(v[i])
		}
		return strings.Join(parts, ",")
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if p.Explode {
				parts = append(parts, name+"="+plain(v[name]))
			} else {
				parts = append(parts, name, plain(v[name]))
			}
		}
		return strings.Join(parts, ",")
	}
	return plain(v)
}

// query writes a parameter in the styles of RFC 6570 that OpenAPI knows.
func (p Parameter) query(q url.Values, v any) {
	if p.JSON {
		q.Set(p.Name, string(jsonText(v)))
		return
	}
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = plain(v[i])
		}
		switch {
		case p.Style == "deepObject":
			deep(q, p.Name, v)
		case p.Explode:
			q[p.Name] = parts
		case p.Style == "spaceDelimited":
			q.Set(p.Name, strings.Join(parts, " "))
		case p.Style == "pipeDelimited":
			q.Set(p.Name, strings.Join(parts, "|"))
		default:
			q.Set(p.Name, strings.Join(parts, ","))
		}
	case map[string]any:
		switch {
		case p.Style == "deepObject":
			deep(q, p.Name, v)
		case p.Explode:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				q.Set(name, plain(v[name]))
			}
		default:
			q.Set(p.Name, p.simple(v))
		}
	default:
		q.Set(p.Name, plain(v))
	}
}

// deep writes nested values as a[b] and a[0].
func deep(q url.Values, name string, v any) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			deep(q, fmt.Sprintf("%s[%d]", name, i), v[i])
		}
	case map[string]any:
		for _, inner := range slices.Sorted(maps.Keys(v)) {
			deep(q, name+"["+inner+"]", v[inner])
		}
	case nil:
		q.Add(name, "")
	default:
		q.Add(name, plain(v))
	}
}

// encode writes the body, and says of what type it is.
func (b *Body) encode(raw json.RawMessage) ([]byte, string, error) {
	media, _, err := mime.ParseMediaType(b.ContentType)
	if err != nil {
		media = b.ContentType
	}
	switch {
	case isJSON(b.ContentType):
		return raw, b.ContentType, nil
	case media == "application/x-www-form-urlencoded":
		return b.form(raw)
	case media == "multipart/form-data":
		return b.multipart(raw)
	}
	content, contentType, _, err := fileOf(raw)
	if err != nil {
		return nil, "", err
	}
	return content, or(contentType, b.ContentType), nil
}

func (b *Body) form(raw json.RawMessage) ([]byte, string, error) {
	v, err := value(raw)
	fields, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, "", connectors.BadInput("body: must be an object of fields")
	}
	form := url.Values{}
	for name, v := range fields {
		switch inner := v.(type) {
		case nil:
		case map[string]any:
			deep(form, name, inner)
		case []any:
			nested := slices.ContainsFunc(inner, func(v any) bool { _, ok := v.(map[string]any); return ok })
			if nested || slices.Contains(b.Deep, name) {
				deep(form, name, inner)
				continue
			}
			for _, item := range inner {
				form.Add(name, plain(item))
			}
		default:
			form.Set(name, plain(v))
		}
	}
	return []byte(form.Encode()), "application/x-www-form-urlencoded", nil
}

var quote = strings.NewReplacer("\\", "\\\\", `"`, "\\\"", "\r", "", "\n", "")

func (b *Body) multipart(raw json.RawMessage) ([]byte, string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, "", connectors.BadInput("body: must be an object of fields")
	}
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var items []json.RawMessage
		if json.Unmarshal(fields[name], &items) != nil {
			items = []json.RawMessage{fields[name]}
		}
		for _, item := range items {
			if string(item) == "null" {
				continue
			}
			head := textproto.MIMEHeader{}
			disposition := `form-data; name="` + quote.Replace(name) + `"`
			var content []byte
			var contentType, filename string
			var err error
			if slices.Contains(b.Files, name) {
				if content, contentType, filename, err = fileOf(item); err != nil {
					return nil, "", err
				}
				disposition += `; filename="` + quote.Replace(or(filename, name)) + `"`
				contentType = or(contentType, or(b.Types[name], "application/octet-stream"))
			} else {
				v, err := value(item)
				if err != nil {
					return nil, "", connectors.BadInput("body.%s: cannot be read", name)
				}
				content, contentType = []byte(plain(v)), b.Types[name]
				if _, nested := v.(map[string]any); nested {
					contentType = or(contentType, "application/json")
				}
			}
			if strings.ContainsAny(contentType, "\r\n") {
				return nil, "", connectors.BadInput("body.%s: the content type holds a line break", name)
			}
			head.Set("Content-Disposition", disposition)
			if contentType != "" {
				head.Set("Content-Type", contentType)
			}
			part, err := w.CreatePart(head)
			if err != nil {
				return nil, "", connectors.BadInput("body.%s: cannot be written", name)
			}
			_, _ = part.Write(content)
		}
	}
	_ = w.Close()
	return out.Bytes(), w.FormDataContentType(), nil
}

// fileOf reads bytes: a text, or {"base64", "filename", "contentType"}, or any other value as JSON.
func fileOf(raw json.RawMessage) (content []byte, contentType, filename string, err error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text), "", "", nil
	}
	var file struct {
		Base64      *string `json:"base64"`
		Text        *string `json:"text"`
		Filename    string  `json:"filename"`
		ContentType string  `json:"contentType"`
	}
	if json.Unmarshal(raw, &file) == nil && (file.Base64 != nil || file.Text != nil) {
		if file.Text != nil {
			return []byte(*file.Text), file.ContentType, file.Filename, nil
		}
		content, err := base64.StdEncoding.DecodeString(*file.Base64)
		if err != nil {
			return nil, "", "", connectors.BadInput("body: base64 is malformed")
		}
		return content, file.ContentType, file.Filename, nil
	}
	return raw, "", "", nil
}

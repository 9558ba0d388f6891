package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"sluice/connectors"
)

// Read makes a definition of a document in JSON or YAML. The error says why it makes none at all; what became no action is
// listed in the definition.
func Read(data []byte, o Options) (*Definition, error) {
	doc, err := decode(data)
	if err != nil {
		return nil, err
	}
	r := &reader{
		document: doc, d: &Definition{Source: o.Source}, names: map[string]bool{},
		schemas: &schemas{doc: doc, defs: map[string]json.RawMessage{}, name: map[string]string{}},
	}
	switch version := fmt.Sprint(doc.root["openapi"], doc.root["swagger"]); {
	case strings.HasPrefix(text(doc.root, "openapi"), "3."):
	case strings.HasPrefix(fmt.Sprint(doc.root["swagger"]), "2"):
		r.swagger = true
	default:
		return nil, fmt.Errorf("this is no OpenAPI document of version 3.0 or 3.1, nor of Swagger 2.0 (it says %s)", strings.ReplaceAll(version, "<nil>", ""))
	}
	info := doc.resolved(doc.root["info"])
	d := r.d
	d.Title, d.Version = text(info, "title"), text(info, "version")
	d.Summary = sentence(text(info, "description"))
	if d.Name = o.Name; d.Name == "" {
		d.Name = kebab(d.Title)
	}
	if !connectors.ValidName(d.Name) {
		return nil, fmt.Errorf("the name %q cannot be used: give one of lower-case words joined by hyphens", d.Name)
	}
	if d.Title == "" {
		d.Title = d.Name
	}
	r.baseURL(o)
	r.security()
	paths := doc.resolved(doc.root["paths"])
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if strings.HasPrefix(path, "/") {
			r.path(path, doc.resolved(paths[path]))
		}
	}
	if len(d.Operations) == 0 {
		if len(d.LeftOut) > 0 {
			return nil, fmt.Errorf("none of the document's operations can be used: %s: %s", d.LeftOut[0].Operation, d.LeftOut[0].Reason)
		}
		return nil, errors.New("the document has no operations")
	}
	if len(d.Operations) > maxOperations {
		return nil, fmt.Errorf("the document has %d operations; at most %d are taken", len(d.Operations), maxOperations)
	}
	if len(r.schemas.defs) > 0 {
		d.Schemas = r.schemas.defs
	}
	return d, nil
}

type reader struct {
	*document
	swagger bool
	d       *Definition
	schemas *schemas
	names   map[string]bool // of actions
	// schemes are the document's, by name; combined are the types made of them, by the names that go together.
	schemes  map[string][]Scheme
	combined map[string]bool
	open     bool // the document declares no schemes at all
}

func (r *reader) baseURL(o Options) {
	given := o.BaseURL
	if given == "" {
		given = r.server(r.root)
	}
	base, err := parseServer(given, o.Source)
	if err != nil {
		r.d.Warnings = append(r.d.Warnings, err.Error()+"; import it again with a base URL, or enter one in the credentials")
		return
	}
	r.d.BaseURL = base
}

// server is the first server of an object, its variables filled in.
func (r *reader) server(o object) string {
	if r.swagger {
		host := text(o, "host")
		if host == "" {
			return text(o, "basePath")
		}
		scheme := "https"
		if list, ok := o["schemes"].([]any); ok && len(list) > 0 && !slices.Contains(list, any("https")) {
			scheme = fmt.Sprint(list[0])
		}
		return scheme + "://" + host + text(o, "basePath")
	}
	servers, _ := o["servers"].([]any)
	if len(servers) == 0 {
		return ""
	}
	server := r.resolved(servers[0])
	address := text(server, "url")
	for name, v := range r.resolved(server["variables"]) {
		address = strings.ReplaceAll(address, "{"+name+"}", text(r.resolved(v), "default"))
	}
	return address
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

func (r *reader) path(path string, item object) {
	for _, word := range methods {
		operation, ok := item[word].(object)
		if !ok {
			continue
		}
		where := strings.ToUpper(word) + " " + path
		if word == "trace" {
			r.leave(where, "TRACE requests are not sent")
			continue
		}
		if reason := r.operation(strings.ToUpper(word), path, item, operation); reason != "" {
			r.leave(where, reason)
		}
	}
}

func (r *reader) leave(where, reason string) {
	r.d.LeftOut = append(r.d.LeftOut, LeftOut{where, reason})
}

var placeholders = regexp.MustCompile(`\{([^{}/]+)\}`)

// operation adds an action; it returns why it cannot.
func (r *reader) operation(method, path string, item, o object) string {
	op := Operation{Method: method, Path: path, Summary: sentence(text(o, "description"))}
	op.Title = sentence(text(o, "summary"))
	if op.Title == "" {
		op.Title = method + " " + path
	}
	if op.Summary == op.Title {
		op.Summary = ""
	}
	if o["deprecated"] == true {
		op.Summary = strings.TrimSpace("Deprecated. " + op.Summary)
	}
	for _, level := range []object{o, item} {
		if address := r.server(level); !r.swagger && address != "" {
			if base, err := parseServer(address, r.d.Source); err == nil && base != r.d.BaseURL {
				op.Server = base
			}
			break
		}
	}
	if path != cleanPath(path) {
		return "its path leads up by dots"
	}

	b := &inputBuilder{reader: r, op: &op, properties: object{}, described: map[string]bool{}}
	if reason := b.parameters(item["parameters"], o["parameters"]); reason != "" {
		return reason
	}
	for _, m := range placeholders.FindAllStringSubmatch(path, -1) {
		if !b.described["path "+m[1]] { // the document forgot it
			b.add(Parameter{Name: m[1], In: "path", Style: "simple"}, object{"type": "string"}, true)
		}
	}
	if reason := b.body(o); reason != "" {
		return reason
	}
	input := object{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": b.properties, "additionalProperties": false}
	if len(b.needed) > 0 {
		input["required"] = b.needed
	}
	op.Input = jsonText(input)
	r.output(&op, o)

	secure, reason := r.secured(o)
	if reason != "" {
		return reason
	}
	op.Secure = secure
	op.Name = r.unique(actionName(text(o, "operationId"), method, path))
	r.d.Operations = append(r.d.Operations, op)
	return ""
}

func cleanPath(path string) string {
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "." && part != ".." {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

func (r *reader) unique(name string) string {
	for base, i := name, 2; r.names[name]; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	r.names[name] = true
	return name
}

// inputBuilder collects an operation's input: a field for each parameter, and body.
type inputBuilder struct {
	*reader
	op         *Operation
	properties object
	needed     []any
	described  map[string]bool
	form       object // Swagger 2.0: the fields of a form
	formNeeds  []any
	bodySchema any
	bodyNeeded bool
}

func (b *inputBuilder) parameters(lists ...any) string {
	// An operation's own word on a parameter replaces its path's.
	byKey := map[string]object{}
	var order []string
	for _, list := range lists {
		items, _ := list.([]any)
		for _, v := range items {
			p := b.resolved(v)
			if p == nil {
				return "a parameter refers to something that is not in the document"
			}
			key := text(p, "in") + " " + text(p, "name")
			if byKey[key] == nil {
				order = append(order, key)
			}
			byKey[key] = p
		}
	}
	for _, key := range order {
		if reason := b.parameter(byKey[key]); reason != "" {
			return reason
		}
	}
	return ""
}

func (b *inputBuilder) parameter(p object) string {
	name, in := text(p, "name"), text(p, "in")
	needed := p["required"] == true
	b.described[in+" "+name] = true
	if b.swagger && in == "body" {
		b.bodySchema, b.bodyNeeded = p["schema"], needed
		return ""
	}
	schema := p["schema"]
	if b.swagger && schema == nil {
		schema = p
	}
	made := Parameter{Name: name, In: in, Style: text(p, "style")}
	if content := b.resolved(p["content"]); len(content) > 0 {
		for _, media := range slices.Sorted(maps.Keys(content)) {
			schema, made.JSON = b.resolved(content[media])["schema"], isJSON(media)
			break
		}
	}
	converted, _ := b.schemas.convert(schema, 0).(object)
	if converted == nil {
		converted = object{}
	}
	for _, word := range []string{"required", "in", "name"} { // Swagger 2.0 keeps them in one object
		if b.swagger {
			delete(converted, word)
		}
	}
	if d := text(p, "description"); d != "" && converted["description"] == nil {
		converted["description"] = d
	}
	if converted["examples"] == nil {
		if e, ok := p["example"]; ok {
			converted["examples"] = []any{e}
		}
	}
	if b.swagger && in == "formData" {
		if b.form == nil {
			b.form = object{}
		}
		b.form[name] = converted
		if needed {
			b.formNeeds = append(b.formNeeds, name)
		}
		if text(p, "type") == "file" {
			b.file(name)
		}
		return ""
	}
	switch in {
	case "path":
		if !strings.Contains(b.op.Path, "{"+name+"}") {
			return "" // it has no place
		}
		needed = true
		made.Style = or(made.Style, "simple")
	case "query":
		made.Style = or(made.Style, "form")
	case "header":
		switch strings.ToLower(name) {
		case "accept", "content-type", "authorization":
			return "" // OpenAPI 3, "Parameter Object": they are to be ignored
		}
		made.Style = or(made.Style, "simple")
		made.Key = strings.EqualFold(name, "Idempotency-Key") || strings.EqualFold(name, "X-Idempotency-Key")
	case "cookie":
		made.Style = or(made.Style, "form")
	default:
		return fmt.Sprintf("the parameter %s is in %q", name, in)
	}
	made.Explode = made.Style == "form" || made.Style == "deepObject"
	if explode, ok := p["explode"].(bool); ok {
		made.Explode = explode
	}
	if b.swagger {
		switch text(p, "collectionFormat") {
		case "multi":
			made.Explode = true
		case "ssv":
			made.Style, made.Explode = "spaceDelimited", false
		case "pipes":
			made.Style, made.Explode = "pipeDelimited", false
		default:
			made.Explode = false
		}
	}
	b.add(made, converted, needed && !made.Key)
	return ""
}

// add makes a field of a parameter. Of two of one name the later one says where it is.
func (b *inputBuilder) add(p Parameter, schema object, needed bool) {
	p.Field = p.Name
	if _, taken := b.properties[p.Field]; taken || p.Field == "body" {
		p.Field = p.In + "_" + p.Name
	}
	b.properties[p.Field] = schema
	if needed {
		b.needed = append(b.needed, p.Field)
	}
	b.op.Parameters = append(b.op.Parameters, p)
}

func or(value, otherwise string) string {
	if value != "" {
		return value
	}
	return otherwise
}

func isJSON(media string) bool {
	t, _, err := mime.ParseMediaType(media)
	return err == nil && (t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json"))
}

// preferred orders content types by how well they carry data.
func preferred(media string) int {
	t, _, _ := mime.ParseMediaType(media)
	switch {
	case t == "application/json":
		return 0
	case isJSON(media):
		return 1
	case t == "*/*", t == "application/*":
		return 2
	case t == "application/x-www-form-urlencoded":
		return 3
	case t == "multipart/form-data":
		return 4
	case strings.HasPrefix(t, "text/"):
		return 5
	}
	return 6
}

func best(content object) string {
	found := ""
	for _, media := range slices.Sorted(maps.Keys(content)) {
		if found == "" || preferred(media) < preferred(found) {
			found = media
		}
	}
	return found
}

func (b *inputBuilder) file(field string) {
	if b.op.Body == nil {
		b.op.Body = &Body{}
	}
	b.op.Body.Files = append(b.op.Body.Files, field)
}

const fileDescription = `A text, or {"base64": …} for bytes; with "filename" and "contentType" beside it where they matter`

func (b *inputBuilder) body(o object) string {
	if b.swagger {
		return b.swaggerBody(o)
	}
	if o["requestBody"] == nil {
		return ""
	}
	request := b.resolved(o["requestBody"])
	if request == nil {
		return "its body refers to something that is not in the document"
	}
	content := b.resolved(request["content"])
	media := best(content)
	if media == "" {
		return ""
	}
	described := b.resolved(content[media])
	body := &Body{ContentType: media}
	if strings.Contains(media, "*") {
		body.ContentType = "application/json"
	}
	b.op.Body = body
	schema := described["schema"]
	converted := b.schemas.convert(schema, 0)
	switch preferred(media) {
	case 3:
		b.encoding(body, described)
	case 4:
		b.encoding(body, described)
		b.files(body, schema)
		converted = b.withFiles(body, schema)
	case 5:
		converted = object{"type": []any{"string", "object"}, "title": "Body", "description": fileDescription}
	case 6:
		converted = object{"type": []any{"string", "object"}, "title": "Body", "description": fileDescription}
	}
	if d := text(request, "description"); d != "" {
		if o, ok := converted.(object); ok && o["description"] == nil {
			o["description"] = d
		}
	}
	b.properties["body"] = converted
	if request["required"] == true {
		b.needed = append(b.needed, "body")
	}
	return ""
}

// encoding notes how a form's fields are written.
func (b *inputBuilder) encoding(body *Body, media object) {
	encodings := b.resolved(media["encoding"])
	for _, name := range slices.Sorted(maps.Keys(encodings)) {
		e := b.resolved(encodings[name])
		if text(e, "style") == "deepObject" {
			body.Deep = append(body.Deep, name)
		}
		if t := text(e, "contentType"); t != "" && !strings.ContainsAny(t, "*,") {
			if body.Types == nil {
				body.Types = map[string]string{}
			}
			body.Types[name] = t
		}
	}
}

// files notes which fields of a multipart form are bytes.
func (b *inputBuilder) files(body *Body, schema any) {
	s := b.resolved(schema)
	properties := b.resolved(s["properties"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		p := b.resolved(properties[name])
		if items := b.resolved(p["items"]); items != nil {
			p = items
		}
		if text(p, "format") == "binary" || p["contentMediaType"] != nil || text(p, "contentEncoding") == "base64" {
			body.Files = append(body.Files, name)
		}
	}
}

func (b *inputBuilder) withFiles(body *Body, schema any) any {
	s := b.resolved(schema)
	converted, _ := b.schemas.convert(s, 0).(object)
	if properties, ok := converted["properties"].(object); ok {
		for _, name := range body.Files {
			properties[name] = object{"description": fileDescription}
		}
	}
	return converted
}

func (b *inputBuilder) swaggerBody(o object) string {
	consumes, _ := o["consumes"].([]any)
	if consumes == nil {
		consumes, _ = b.root["consumes"].([]any)
	}
	content := object{}
	for _, v := range consumes {
		if media, ok := v.(string); ok {
			content[media] = object{}
		}
	}
	media := best(content)
	switch {
	case b.form != nil:
		var files []string
		if b.op.Body != nil {
			files = b.op.Body.Files
		}
		media = "application/x-www-form-urlencoded"
		if len(files) > 0 || len(content) == 1 && content["multipart/form-data"] != nil {
			media = "multipart/form-data"
		}
		b.op.Body = &Body{ContentType: media, Files: files}
		for _, name := range files {
			b.form[name] = object{"description": fileDescription}
		}
		schema := object{"type": "object", "properties": b.form}
		if len(b.formNeeds) > 0 {
			schema["required"] = b.formNeeds
			b.needed = append(b.needed, "body")
		}
		b.properties["body"] = schema
	case b.bodySchema != nil:
		if media == "" || preferred(media) > 2 {
			media = "application/json"
		}
		b.op.Body = &Body{ContentType: media}
		b.properties["body"] = b.schemas.convert(b.bodySchema, 0)
		if b.bodyNeeded {
			b.needed = append(b.needed, "body")
		}
	}
	return ""
}

// output describes a success: the body of the answer.
func (r *reader) output(op *Operation, o object) {
	responses := r.resolved(o["responses"])
	var status string
	for _, s := range slices.Sorted(maps.Keys(responses)) {
		if strings.HasPrefix(s, "2") && (status == "" || r.hasContent(responses[s]) && !r.hasContent(responses[status])) {
			status = s
		}
	}
	if status == "" && responses["default"] != nil {
		status = "default"
	}
	response := r.resolved(responses[status])
	if response == nil {
		return
	}
	var schema any
	if r.swagger {
		schema = response["schema"]
		produces, _ := o["produces"].([]any)
		if produces == nil {
			produces, _ = r.root["produces"].([]any)
		}
		for _, v := range produces {
			if media, ok := v.(string); ok {
				op.Accept = append(op.Accept, media)
			}
		}
		slices.SortStableFunc(op.Accept, func(a, b string) int { return preferred(a) - preferred(b) })
	} else {
		content := r.resolved(response["content"])
		media := best(content)
		if media == "" {
			return
		}
		op.Accept = []string{media}
		if !isJSON(media) {
			return
		}
		described := r.resolved(content[media])
		schema = described["schema"]
	}
	if schema != nil && status != "default" {
		op.Output = jsonText(r.schemas.convert(schema, 0))
	}
}

func (r *reader) hasContent(v any) bool {
	o := r.resolved(v)
	return len(r.resolved(o["content"])) > 0 || o["schema"] != nil
}

// sentence is a text on one line, cut to what fits a list.
func sentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 300
	if len(s) <= most {
		return s
	}
	cut := strings.LastIndexByte(s[:most], ' ')
	if cut < 0 {
		cut = most
	}
	return strings.ToValidUTF8(s[:cut], "") + " …"
}

func actionName(id, method, path string) string {
	if name := kebab(id); connectors.ValidName(name) {
		return name
	}
	name := kebab(method + " " + placeholders.ReplaceAllString(path, " $1 "))
	if !connectors.ValidName(name) {
		return strings.ToLower(method)
	}
	return name
}

// kebab writes a name as lower-case words joined by hyphens: chat_postMessage is chat-post-message.
func kebab(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i, c := range runes {
		switch {
		case c >= 'A' && c <= 'Z':
			after := i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]))
			before := i > 0 && unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if after || before {
				b.WriteByte('-')
			}
			b.WriteRune(unicode.ToLower(c))
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case c == '\'':
		default:
			b.WriteByte('-')
		}
	}
	parts := strings.FieldsFunc(b.String(), func(c rune) bool { return c == '-' })
	if len(parts) > 0 && parts[0][0] >= '0' && parts[0][0] <= '9' {
		parts = append([]string{"op"}, parts...)
	}
	name := strings.Join(parts, "-")
	if len(name) > 100 {
		name = strings.TrimRight(name[:100], "-")
	}
	return name
}

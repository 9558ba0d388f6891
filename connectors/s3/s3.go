// Package s3 is the connector for object stores that speak S3: it puts, gets, lists and deletes objects.
package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Connector returns the s3 connector.
func Connector() connectors.Connector {
	action := func(name, title, summary, input, output string, do func(context.Context, connectors.Env, connectors.Call) (connectors.Result, error)) connectors.Component {
		return connectors.Component{
			Name: name, Title: title, Summary: summary, Effect: connectors.Idempotent, NeedsCredential: true,
			Input: json.RawMessage(input), Output: json.RawMessage(output), Do: do,
		}
	}
	return connectors.Connector{
		Name: "s3", Title: "S3", Summary: "Keeps objects in Amazon S3, MinIO, R2 and others that speak S3.",
		Credentials: []connectors.CredentialType{{Name: "keys", Title: "Access keys", Schema: json.RawMessage(keysSchema), Verify: verify}},
		Components: []connectors.Component{
			action("s3/put", "Put an object", "Writes an object, in place of one of that name.", putSchema, writtenSchema, put),
			action("s3/get", "Get an object", "Reads an object of at most 2 MiB.", objectSchema, gotSchema, get),
			action("s3/list", "List objects", "Lists the objects of a bucket, a page at a time.", listSchema, listedSchema, list),
			action("s3/delete", "Delete an object", "Deletes an object; one that is not there is no error.", objectSchema, deletedSchema, remove),
		},
	}
}

const (
	keysSchema = `{
  "type": "object", "required": ["accessKeyId", "secretAccessKey"], "additionalProperties": false,
  "properties": {
    "accessKeyId": {"type": "string", "title": "Access key ID", "minLength": 1},
    "secretAccessKey": {"type": "string", "title": "Secret access key", "minLength": 1, "format": "password", "writeOnly": true},
    "sessionToken": {"type": "string", "title": "Session token", "description": "Of temporary keys", "format": "password", "writeOnly": true},
    "region": {"type": "string", "title": "Region", "default": "us-east-1"},
    "endpoint": {"type": "string", "title": "Endpoint", "description": "an address that starts with http:// or https://", "pattern": "^https?://", "default": "https://s3.amazonaws.com"}
  }
}`
	bucketAndKey = `
    "bucket": {"type": "string", "title": "Bucket", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "description": "3 to 63 lower-case letters, digits, dots and hyphens", "examples": ["invoices"]},
    "key": {"type": "string", "title": "Key", "minLength": 1, "maxLength": 1024, "examples": ["2025/01/4711.json"]}`
	objectSchema = `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["bucket", "key"], "additionalProperties": false, "properties": {` + bucketAndKey + `}}`
	putSchema    = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["bucket", "key", "body"], "additionalProperties": false,
  "properties": {` + bucketAndKey + `,
    "body": {"title": "Body", "description": "A text as it is, {\"base64\": …} for bytes, anything else as JSON"},
    "contentType": {"type": "string", "title": "Content type", "examples": ["application/json"]}
  }
}`
	listSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["bucket"], "additionalProperties": false,
  "properties": {
    "bucket": {"type": "string", "title": "Bucket", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "description": "3 to 63 lower-case letters, digits, dots and hyphens"},
    "prefix": {"type": "string", "title": "Prefix", "examples": ["2025/01/"]},
    "next": {"type": ["string", "null"], "title": "Next", "description": "Of the page before: this one goes on from there"},
    "limit": {"type": "integer", "title": "Limit", "minimum": 1, "maximum": 1000, "default": 1000}
  }
}`
	writtenSchema = `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["bucket", "key"], "properties": {
  "bucket": {"type": "string", "title": "Bucket"}, "key": {"type": "string", "title": "Key"}, "size": {"type": "integer", "title": "Bytes"}, "etag": {"type": "string", "title": "ETag"}}}`
	gotSchema = `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["bucket", "key", "body"], "properties": {
  "bucket": {"type": "string", "title": "Bucket"}, "key": {"type": "string", "title": "Key"}, "contentType": {"type": "string", "title": "Content type"}, "size": {"type": "integer", "title": "Bytes"}, "etag": {"type": "string", "title": "ETag"},
  "body": {"title": "Body", "description": "JSON as a value, other text as text, bytes as {\"base64\": …}"}}}`
	listedSchema = `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["items"], "properties": {
  "items": {"type": "array", "title": "Objects", "items": {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}, "size": {"type": "integer"}, "etag": {"type": "string"}, "modified": {"type": "string"}}}},
  "next": {"type": ["string", "null"], "title": "Next", "description": "null on the last page"}}}`
	deletedSchema = `{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["deleted"], "properties": {"deleted": {"type": "boolean", "title": "Deleted"}}}`
)

type input struct {
	Bucket, Key, ContentType, Prefix, Next string
	Limit                                  int
	Body                                   json.RawMessage
}

const maxObject = 2 << 20 // a step's output travels in every snapshot

// send signs one request (AWS Signature Version 4) and sends it. The secret key never leaves: what is sent is a signature.
func send(ctx context.Context, env connectors.Env, c *connectors.Credential, doing, method, path string, query url.Values, header http.Header, body []byte) (outgoing.Answer, error) {
	fail := func(format string, args ...any) (outgoing.Answer, error) {
		return outgoing.Answer{}, connectors.BadCredential(doing+": "+format, args...)
	}
	if c.Value("accessKeyId") == "" || c.Value("secretAccessKey") == "" {
		return fail("the credential has no keys: enter both")
	}
	base, err := outgoing.ParseURL(or(c.Value("endpoint"), "https://s3.amazonaws.com"))
	if err != nil {
		return fail("endpoint: %v", err)
	}
	u := &url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimRight(base.Path, "/") + path, RawQuery: query.Encode()}
	u.RawPath = s3utils.EncodePath(u.Path)
	r, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return fail("the address cannot be made")
	}
	r.Header = header
	sum := sha256.Sum256(body)
	r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	signed := signer.SignV4(*r, c.Value("accessKeyId"), c.Value("secretAccessKey"), c.Value("sessionToken"), or(c.Value("region"), "us-east-1"))
	for _, values := range signed.Header {
		if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
			return fail("the credential, or the content type, holds a line break: enter it again")
		}
	}
	q := outgoing.Request{Doing: doing, Method: method, URL: u, Header: signed.Header, Secrets: []string{c.Value("secretAccessKey"), c.Value("sessionToken")}}
	if method == http.MethodPut {
		q.Body = body
	}
	answer, err := outgoing.Send(ctx, env.HTTP, q)
	if err != nil {
		return answer, refusal(doing, answer, err, q.Secrets)
	}
	return answer, nil
}

// refusal puts S3's own words in place of the XML they come in.
func refusal(doing string, a outgoing.Answer, err error, secrets []string) error {
	var said struct {
		Code    string
		Message string
	}
	e := *connectors.AsError(err)
	if xml.Unmarshal(a.Body, &said) != nil || said.Code == "" {
		return &e
	}
	e.Message = outgoing.Blank(doing+": the store answered "+strconv.Itoa(a.Status)+" "+said.Code+": "+said.Message, secrets)
	switch said.Code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken":
		e.Kind, e.Retry = connectors.KindCredential, connectors.RetryNever
	}
	return &e
}

func read(call connectors.Call, doing string) (input, error) {
	var in input
	if err := json.Unmarshal(call.Input, &in); err != nil || in.Bucket == "" {
		return in, connectors.BadInput("%s: the input needs a bucket", doing)
	}
	return in, nil
}

func put(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "putting the object"
	in, err := read(call, doing)
	if err != nil {
		return connectors.Result{}, err
	}
	body, contentType, err := bytesOf(in.Body)
	if err != nil {
		return connectors.Result{}, connectors.BadInput("%s: %v", doing, err)
	}
	header := http.Header{"Content-Type": {or(in.ContentType, contentType)}}
	a, err := send(ctx, env, call.Credential, doing, http.MethodPut, "/"+in.Bucket+"/"+in.Key, nil, header, body)
	if err != nil {
		return connectors.Result{HTTPStatus: a.Status}, err
	}
	return result(a, map[string]any{"bucket": in.Bucket, "key": in.Key, "size": len(body), "etag": strings.Trim(a.Header.Get("Etag"), `"`)})
}

func bytesOf(raw json.RawMessage) (body []byte, contentType string, err error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text), "text/plain; charset=utf-8", nil
	}
	var file map[string]json.RawMessage
	if json.Unmarshal(raw, &file) == nil && len(file) == 1 && json.Unmarshal(file["base64"], &text) == nil {
		body, err = base64.StdEncoding.DecodeString(text)
		return body, "application/octet-stream", err
	}
	return raw, "application/json", nil
}

func get(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "getting the object"
	in, err := read(call, doing)
	if err != nil {
		return connectors.Result{}, err
	}
	a, err := send(ctx, env, call.Credential, doing, http.MethodGet, "/"+in.Bucket+"/"+in.Key, nil, http.Header{}, nil)
	if err != nil {
		return connectors.Result{HTTPStatus: a.Status}, err
	}
	if len(a.Body) > maxObject {
		return connectors.Result{HTTPStatus: a.Status}, &connectors.Error{Kind: connectors.KindInput, Retry: connectors.RetryNever, Sent: true, HTTPStatus: a.Status,
			Message: doing + ": it has " + strconv.Itoa(len(a.Body)) + " bytes; a step takes " + strconv.Itoa(maxObject)}
	}
	media, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	var body any = string(a.Body)
	switch {
	case (media == "application/json" || strings.HasSuffix(media, "+json")) && json.Valid(a.Body):
		body = json.RawMessage(a.Body)
	case !utf8.Valid(a.Body):
		body = map[string]string{"base64": base64.StdEncoding.EncodeToString(a.Body)}
	}
	return result(a, map[string]any{"bucket": in.Bucket, "key": in.Key, "contentType": a.Header.Get("Content-Type"), "size": len(a.Body), "etag": strings.Trim(a.Header.Get("Etag"), `"`), "body": body})
}

func remove(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "deleting the object"
	in, err := read(call, doing)
	if err != nil {
		return connectors.Result{}, err
	}
	a, err := send(ctx, env, call.Credential, doing, http.MethodDelete, "/"+in.Bucket+"/"+in.Key, nil, http.Header{}, nil)
	if err != nil {
		return connectors.Result{HTTPStatus: a.Status}, err
	}
	return result(a, map[string]any{"deleted": true})
}

func list(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "listing the objects"
	in, err := read(call, doing)
	if err != nil {
		return connectors.Result{}, err
	}
	query := url.Values{"list-type": {"2"}}
	for name, value := range map[string]string{"prefix": in.Prefix, "continuation-token": in.Next} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if in.Limit > 0 {
		query.Set("max-keys", strconv.Itoa(in.Limit))
	}
	a, err := send(ctx, env, call.Credential, doing, http.MethodGet, "/"+in.Bucket, query, http.Header{}, nil)
	if err != nil {
		return connectors.Result{HTTPStatus: a.Status}, err
	}
	var page struct {
		Contents []struct {
			Key          string
			Size         int64
			ETag         string
			LastModified string
		}
		NextContinuationToken string
	}
	if err := xml.Unmarshal(a.Body, &page); err != nil {
		return connectors.Result{HTTPStatus: a.Status}, outgoing.Misread(doing, err)
	}
	items := make([]map[string]any, len(page.Contents))
	for i, o := range page.Contents {
		items[i] = map[string]any{"key": o.Key, "size": o.Size, "etag": strings.Trim(o.ETag, `"`), "modified": o.LastModified}
	}
	var next any
	if page.NextContinuationToken != "" {
		next = page.NextContinuationToken
	}
	return result(a, map[string]any{"items": items, "next": next})
}

// verify lists the buckets: whoever may not is known all the same.
func verify(ctx context.Context, env connectors.Env, values map[string]string) error {
	a, err := send(ctx, env, &connectors.Credential{Type: "keys", Values: values}, "asking the store", http.MethodGet, "/", nil, http.Header{}, nil)
	if err != nil && a.Status == http.StatusForbidden && bytes.Contains(a.Body, []byte("<Code>AccessDenied</Code>")) {
		return nil // the keys are good, and may do less than this
	}
	return err
}

func result(a outgoing.Answer, fields map[string]any) (connectors.Result, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(fields); err != nil {
		return connectors.Result{}, err
	}
	return connectors.Result{Output: bytes.TrimSpace(out.Bytes()), HTTPStatus: a.Status}, nil
}

func or(value, otherwise string) string {
	if value != "" {
		return value
	}
	return otherwise
}

package local

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// maxStatement is how long a statement may be, the data of an insert aside.
const maxStatement = 16 << 20

// request is what the HTTP interface of ClickHouse says around a statement.
type request struct {
	text     string
	body     io.Reader // the rest of it: data of an insert
	database string
	format   string // default_format
	id       string
	settings []param
	params   []param
	fenced   bool
	// revision is the client's, for Native; 0 for none.
	revision uint64
	frames   bool   // compress=1
	method   string // of the frames
	encoding string // Content-Encoding of the answer
	whole    bool   // wait_end_of_query=1
}

// notSettings are URL parameters with a meaning of their own, or none here.
var notSettings = map[string]bool{
	"query": true, "database": true, "default_format": true, "compress": true, "decompress": true, "query_id": true,
	"client_protocol_version": true, "quota_key": true, "user": true, "password": true, "stacktrace": true, "role": true,
	"buffer_size": true, "wait_end_of_query": true, "enable_http_compression": true, "close_session": true, "http_zlib_compression_level": true,
	"readonly": true, "network_compression_method": true, "network_zstd_compression_level": true,
}

// readRequest understands a request. The text it returns holds the whole
// statement, or of an INSERT at least the part before its data.
func readRequest(w http.ResponseWriter, r *http.Request) (request, error) {
	if err := checkOrigin(r); err != nil {
		return request{}, err
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return request{}, refusal(36, "BAD_ARGUMENTS", "The query string cannot be read: %v", err)
	}
	if q.Has("session_id") || strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return request{}, refusal(48, "NOT_IMPLEMENTED", "Sessions and external tables are not supported by the local ClickHouse")
	}
	req := request{
		database: firstOf(q.Get("database"), r.Header.Get("X-ClickHouse-Database"), strings.Trim(r.URL.Path, "/")),
		format:   firstOf(q.Get("default_format"), r.Header.Get("X-ClickHouse-Format"), "TabSeparated"),
		id:       q.Get("query_id"),
		fenced:   r.Method == http.MethodGet || isFence(q.Get("readonly")),
		frames:   isOn(q.Get("compress")),
		method:   q.Get("network_compression_method"),
		whole:    isOn(q.Get("wait_end_of_query")),
	}
	if isOn(q.Get("enable_http_compression")) {
		req.encoding = chooseEncoding(r.Header.Get("Accept-Encoding"))
	}
	if v := q.Get("client_protocol_version"); v != "" {
		if req.revision, err = strconv.ParseUint(v, 10, 64); err != nil {
			return request{}, refusal(36, "BAD_ARGUMENTS", "client_protocol_version is no number: %s", v)
		}
	}
	for name, values := range q {
		switch {
		case strings.HasPrefix(name, "param_"):
			req.params = append(req.params, param{strings.TrimPrefix(name, "param_"), values[0]})
		case notSettings[name]:
		default:
			for _, c := range []byte(name) {
				if !isWord(c) && c != '.' {
					return request{}, refusal(115, "UNKNOWN_SETTING", "Unknown setting %s", strconv.Quote(name))
				}
			}
			req.settings = append(req.settings, param{name, values[0]})
		}
	}
	sort.Slice(req.settings, func(i, j int) bool { return req.settings[i].name < req.settings[j].name })
	if err := req.readText(r, q); err != nil {
		return request{}, err
	}
	return req, nil
}

// readText joins the parameter query and the body, as the server does.
func (req *request) readText(r *http.Request, q url.Values) error {
	body, err := decodeBody(r.Body, r.Header.Get("Content-Encoding"))
	if err != nil {
		return bodyError(err)
	}
	if isOn(q.Get("decompress")) {
		body = newFrameReader(body)
	}
	if text := q.Get("query"); text != "" {
		body = io.MultiReader(strings.NewReader(text+"\n"), body)
	}
	// An insert is known by its beginning; what follows may be long.
	const beginning = 256 << 10
	var head bytes.Buffer
	n, err := io.Copy(&head, io.LimitReader(body, beginning))
	if err != nil {
		return bodyError(err)
	}
	if n == beginning && !parseStatement(head.String()).data {
		if n, err = io.Copy(&head, io.LimitReader(body, maxStatement)); err != nil {
			return bodyError(err)
		}
		if n == maxStatement {
			return refusal(62, "QUERY_IS_TOO_LARGE", "The statement is longer than %d bytes", maxStatement)
		}
	}
	req.text, req.body = head.String(), body
	return nil
}

func bodyError(err error) error {
	if e, ok := err.(*exception); ok {
		return e
	}
	return fmt.Errorf("reading the request: %w", err)
}

// checkOrigin keeps web pages out: a browser lets any page post to loopback, and
// there is no password.
func checkOrigin(r *http.Request) error {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return refusal(497, "ACCESS_DENIED", "The local ClickHouse answers programs of this machine only, not web pages or other names")
	}
	return nil
}

func isOn(v string) bool { return v == "1" || strings.EqualFold(v, "true") }

// isFence is true for any value of the setting readonly but 0.
func isFence(v string) bool { return v != "" && v != "0" }

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

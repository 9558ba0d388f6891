package outgoing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sluice/connectors"
)

// Request is one request of a connector.
type Request struct {
	Doing  string // starts every error: "creating the pet"
	Method string
	URL    *url.URL
	Header http.Header // sent as it is; may be nil
	Body   []byte      // nil: none
	Stream *Stream     // in place of Body
	// Secrets are blanked in error messages, also where the target sends them back.
	Secrets []string
	// Expect says which statuses are success; nil: 2xx.
	Expect func(status int) bool
}

// Answer is a complete answer. That of a success holds none of the request's secrets: they are blanked.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // never longer than the client's limit
}

// Send sends one request and reads the whole answer. Its error is a *connectors.Error which says what was being done, the
// target's host (never its path or query), and what happened. With an answer of another status than expected both are
// returned.
func Send(ctx context.Context, client *http.Client, q Request) (Answer, error) {
	answer, err := SendRaw(ctx, client, q)
	if err != nil {
		return answer, err
	}
	return withoutSecrets(answer, q.Secrets), nil
}

// SendRaw is [Send] for an answer that is no output: nothing is blanked in that of a success.
func SendRaw(ctx context.Context, client *http.Client, q Request) (Answer, error) {
	fail := func(err error) error {
		e := *ErrorOf(err)
		e.Message = short(Blank(q.Doing+": "+q.URL.Host+": "+e.Message, q.Secrets))
		return &e
	}

	var body io.Reader
	if q.Body != nil {
		body = bytes.NewReader(q.Body)
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, q.URL.String(), body)
	if err != nil {
		return Answer{}, fail(connectors.BadInput("the method %q or the URL is malformed", q.Method))
	}
	if q.Header != nil {
		r.Header = q.Header.Clone()
	}
	if q.Stream != nil {
		r.Body, r.ContentLength = &replayed{ctx: ctx, stream: q.Stream}, q.Stream.Size
		defer r.Body.Close()
	}

	res, err := client.Do(r)
	if err != nil {
		return Answer{}, fail(err)
	}
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	answer := Answer{Status: res.StatusCode, Header: res.Header, Body: content}

	expected := q.Expect
	if expected == nil {
		expected = func(status int) bool { return status >= 200 && status < 300 }
	}
	if !expected(res.StatusCode) {
		return answer, q.unexpected(answer)
	}
	if err != nil {
		return answer, fail(err)
	}
	return answer, nil
}

func (q Request) unexpected(a Answer) *connectors.Error {
	e := &connectors.Error{
		Kind: connectors.KindHTTP, HTTPStatus: a.Status, Sent: true,
		RetryAfter: RetryAfter(a.Header.Get("Retry-After"), time.Now()),
	}
	if a.Status == http.StatusUnauthorized {
		e.Kind = connectors.KindCredential
	}
	text := fmt.Sprintf("%s: %s answered %d", q.Doing, q.URL.Host, a.Status)
	if name := http.StatusText(a.Status); name != "" {
		text += " " + name
	}
	if to, err := url.Parse(a.Header.Get("Location")); a.Status/100 == 3 && err == nil && a.Header.Get("Location") != "" {
		text += ", a redirect that is not followed"
		if to.Host != "" && to.Host != q.URL.Host {
			text += " (to " + to.Scheme + "://" + to.Host + ")"
		}
		text += ": set the URL it leads to"
	} else if excerpt := excerptOf(a.Body, q.Secrets); excerpt != "" {
		text += ": " + excerpt
	}
	e.Message = short(Blank(text, q.Secrets))
	return e
}

// excerptOf returns the reason an answer gives, on one line: the field that usually holds it, or its beginning. The
// secrets are blanked before anything is cut or joined, so that no part of one is left.
func excerptOf(body []byte, secrets []string) string {
	const considered = 64 << 10
	text := ""
	var fields struct {
		Message, Detail, Title, Error, Description json.RawMessage
	}
	if len(body) <= considered && json.Unmarshal(body, &fields) == nil {
		for _, field := range []json.RawMessage{fields.Detail, fields.Message, fields.Description, fields.Error, fields.Title} {
			var inner struct{ Message string }
			if json.Unmarshal(field, &text) == nil && text != "" {
				break
			}
			if json.Unmarshal(field, &inner) == nil && inner.Message != "" {
				text = inner.Message
				break
			}
		}
	}
	if text == "" {
		head := body[:min(len(body), considered)]
		if bytes.IndexByte(head, 0) >= 0 {
			return "" // not text
		}
		text = strings.ToValidUTF8(string(head), "")
	}
	return strings.Join(strings.FieldsFunc(Blank(text, secrets), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// short cuts a message to a readable length.
func short(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	cut := most
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// RetryAfter reads a Retry-After header (RFC 9110, 10.2.3): seconds or a date. It returns 0 for one that is absent, past
// or malformed, and at most 24 h.
func RetryAfter(value string, now time.Time) time.Duration {
	const most = 24 * time.Hour
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return min(time.Duration(max(0, min(seconds, int64(most/time.Second))))*time.Second, most)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), most))
	}
	return 0
}

package ingest

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"

	"sluice/schemas"
)

// lock is a trigger's credential made ready: what a request has to show. A
// credential that cannot be used makes a lock that no request opens.
type lock struct {
	kind   string // none, basic, apiKey, signed; or "": nothing opens it
	broken *refusal

	basic [][sha256.Size]byte // of "user:password", and of the one before during a change

	name  string              // of the API key's header or query parameter
	query bool                // the API key is in the query
	keys  [][sha256.Size]byte // of the API key, and of the one before during a change

	verifier *Verifier
	site     *site
}

// newLock reads a credential that a flow names; an empty name is No Auth.
func newLock(named string, credential *schemas.CredentialEntry, values map[string]string, at *site) *lock {
	switch {
	case named == "":
		return &lock{kind: "none"}
	case credential == nil:
		return brokenLock("the flow's credential " + named + " does not exist")
	case credential.Uses != "webhook":
		return brokenLock("the flow's credential " + named + " is one of " + credential.Uses + ", not of webhook")
	}
	switch credential.Type {
	case "none":
		return &lock{kind: "none"}
	case "basic":
		if values["username"] == "" || values["password"] == "" {
			return brokenLock("the flow's credential " + named + " has no user name or no password")
		}
		l := &lock{kind: "basic", basic: hashes(values["username"] + ":" + values["password"])}
		if previous := values["previousPassword"]; previous != "" {
			l.basic = append(l.basic, hashes(values["username"]+":"+previous)...)
		}
		return l
	case "apiKey":
		l := &lock{kind: "apiKey", name: values["name"], query: values["in"] == "query", keys: hashes(values["value"], values["previousValue"])}
		if l.name == "" || values["value"] == "" || values["in"] != "" && values["in"] != "header" && values["in"] != "query" {
			return brokenLock("the flow's credential " + named + " has no name or no value, or is in neither header nor query")
		}
		return l
	case "gitlab":
		if values["secret"] == "" {
			return brokenLock("the flow's credential " + named + " has no secret")
		}
		return &lock{kind: "apiKey", name: GitLabToken, keys: hashes(values["secret"], values["previousSecret"])}
	}
	scheme, known, err := CredentialScheme(credential.Type, values)
	if !known {
		return brokenLock("the flow's credential " + named + " is of the unknown type " + credential.Type)
	}
	var verifier *Verifier
	if err == nil {
		verifier, err = scheme.VerifierWith(at.certificates, values["secret"], values["previousSecret"], values["secret2"])
	}
	if err != nil {
		return brokenLock("the flow's credential " + named + ": " + err.Error())
	}
	return &lock{kind: "signed", verifier: verifier, site: at}
}

// hashes are those of the values that are there.
func hashes(values ...string) [][sha256.Size]byte {
	var all [][sha256.Size]byte
	for _, v := range values {
		if v != "" {
			all = append(all, sha256.Sum256([]byte(v)))
		}
	}
	return all
}

func brokenLock(detail string) *lock {
	return &lock{broken: &refusal{status: 401, reason: ReasonCredential, detail: "this flow cannot authenticate anyone at present", cause: detail}}
}

// HMACScheme fills a scheme in from the values of a credential of type hmac.
// Its Verifier checks what is chosen from a list.
func HMACScheme(values map[string]string) (Scheme, error) {
	or := func(name, otherwise string) string {
		if v := values[name]; v != "" {
			return v
		}
		return otherwise
	}
	s := Scheme{
		Header:          or("header", "x-eio-signature"),
		Algorithm:       or("algorithm", "sha256"),
		Encoding:        or("encoding", "hex"),
		Prefix:          values["prefix"],
		TimestampHeader: values["timestampHeader"],
		Template:        or("template", "{body}"),
	}
	var err error
	if s.TimestampHeader != "" {
		s.Tolerance, err = parseTolerance(values["tolerance"], fiveMinutes)
	}
	return s, err
}

var basicChallenge = &refusal{status: 401, reason: ReasonUnauthenticated, detail: "user name and password are wanted", challenge: true}

// beforeBody checks what needs no body. A *refusal is final; nil is not yet an
// admission: afterBody has to agree.
func (l *lock) beforeBody(http *fasthttp.RequestCtx, now time.Time) *refusal {
	header := http.Request.Header.PeekAll
	switch l.kind {
	case "none":
		return nil
	case "basic":
		values := header(fasthttp.HeaderAuthorization)
		if len(values) != 1 || !l.basicOpens(values[0]) {
			return basicChallenge
		}
		return nil
	case "apiKey":
		if l.query {
			return l.keyOpens(queryValues(http.URI().QueryString(), l.name))
		}
		return l.keyOpens(header(l.name))
	case "signed":
		if length := http.Request.Header.ContentLength(); length >= 0 && length <= prefetched {
			return nil // the body is here already
		}
		return unproven(l.verifier.Plausible(header, now))
	}
	return l.broken
}

// afterBody checks the body's signature, where there is to be one.
func (l *lock) afterBody(http *fasthttp.RequestCtx, body []byte, now time.Time) *refusal {
	if l.kind != "signed" {
		return nil
	}
	m := l.message(http)
	m.Body = body
	return unproven(l.verifier.Verify(m, now))
}

// begin takes the place of afterBody for a body that is checked while it
// comes: the body is written to the Proof, and its End is the answer, to be
// passed to unproven. The Proof is nil when nothing is signed, and when the
// scheme needs the whole body: then afterBody is asked.
func (l *lock) begin(http *fasthttp.RequestCtx, now time.Time) (*Proof, *refusal) {
	if l.kind != "signed" || !l.verifier.Streams() {
		return nil, nil
	}
	proof, err := l.verifier.Begin(l.message(http), now)
	return proof, unproven(err)
}

// message is a request without its body. It lives as long as the request.
func (l *lock) message(http *fasthttp.RequestCtx) Message {
	m := Message{Method: string(http.Method()), Header: http.Request.Header.PeekAll}
	if l.verifier.signsURL() {
		m.URL = l.site.url(http)
	}
	return m
}

func unproven(err error) *refusal {
	if err == nil {
		return nil
	}
	return &refusal{status: 401, reason: err.(*Unproven).Reason, detail: err.Error()}
}

// basicOpens checks the value of Authorization (RFC 7617). Hashes are
// compared, so that neither content nor length shows in the time it takes.
func (l *lock) basicOpens(value []byte) bool {
	scheme, text, _ := bytes.Cut(value, []byte(" "))
	if !bytes.EqualFold(scheme, []byte("Basic")) {
		return false
	}
	pair, err := base64.StdEncoding.Strict().AppendDecode(nil, bytes.TrimLeft(text, " "))
	sum := sha256.Sum256(pair)
	right := 0
	for i := range l.basic {
		right |= subtle.ConstantTimeCompare(sum[:], l.basic[i][:])
	}
	return err == nil && right == 1
}

func (l *lock) keyOpens(values [][]byte) *refusal {
	where := "header"
	if l.query {
		where = "query parameter"
	}
	if len(values) != 1 {
		return &refusal{status: 401, reason: ReasonUnauthenticated, detail: "the " + where + " " + l.name + " is wanted, once"}
	}
	sum := sha256.Sum256(values[0])
	right := 0
	for i := range l.keys {
		right |= subtle.ConstantTimeCompare(sum[:], l.keys[i][:])
	}
	if right != 1 {
		return &refusal{status: 401, reason: ReasonUnauthenticated, detail: "the " + where + " " + l.name + " is not the key"}
	}
	return nil
}

// queryValues lists a parameter's values, decoded. One that cannot be decoded
// is a value too, so that it counts.
func queryValues(query []byte, name string) [][]byte {
	var values [][]byte
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		if key, value, _ := bytes.Cut(pair, []byte("=")); isParameter(key, name) {
			text, err := url.QueryUnescape(string(value))
			if err != nil {
				text = ""
			}
			values = append(values, []byte(text))
		}
	}
	return values
}

func isParameter(raw []byte, name string) bool {
	if string(raw) == name {
		return true
	}
	key, err := url.QueryUnescape(string(raw))
	return err == nil && key == name
}

// withoutKey is the query as it is kept: byte for byte, but for the API key.
func (l *lock) withoutKey(query []byte) []byte {
	if len(query) == 0 || l.kind != "apiKey" || !l.query {
		return query
	}
	var kept [][]byte
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		if key, _, _ := bytes.Cut(pair, []byte("=")); !isParameter(key, l.name) {
			kept = append(kept, pair)
		}
	}
	return bytes.Join(kept, []byte("&"))
}

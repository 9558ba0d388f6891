package ingest

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/schemas"
)

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func sum256(secret, text string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

var everyMethod = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}

// way is one way to authenticate: what opens it, and what does not.
type way struct {
	kind   string
	values map[string]string
	opens  []string // headers; one that begins with ? is the query
	not    map[string][]string
}

const signedBody = `{"n":1.0}`

func ways() map[string]way {
	right := sum256("sesame", signedBody)
	asHex, asBase64 := hex.EncodeToString(right), base64.StdEncoding.EncodeToString(right)
	now := strconv.FormatInt(time.Now().Unix(), 10)
	stamped := hex.EncodeToString(sum256("sesame", now+"."+signedBody))
	at := func(offset time.Duration) []string {
		text := strconv.FormatInt(time.Now().Add(offset).Unix(), 10)
		return []string{"X-Time: " + text, "X-Sig: v0=" + hex.EncodeToString(sum256("sesame", text+"."+signedBody))}
	}
	return map[string]way{
		"basic": {"basic", map[string]string{"username": "ada", "password": "ses:ame"}, []string{basic("ada", "ses:ame")}, map[string][]string{
			"nothing": {}, "another password": {basic("ada", "sesam")}, "another user": {basic("eve", "ses:ame")}, "empty": {basic("", "")},
			"twice": {basic("ada", "ses:ame"), basic("ada", "ses:ame")}, "bearer": {"Authorization: Bearer ses:ame"},
			"junk behind": {basic("ada", "ses:ame") + "=="}, "not base64": {"Authorization: Basic ada:ses:ame"}, "no pair": {"Authorization: Basic"},
		}},
		"header key": {"apiKey", map[string]string{"in": "header", "name": "X-Door", "value": "sesame"}, []string{"x-door: sesame"}, map[string][]string{
			"nothing": {}, "wrong": {"X-Door: sesam"}, "empty": {"X-Door: "}, "twice": {"X-Door: sesame", "X-Door: sesame"}, "in the query": {"?X-Door=sesame"},
		}},
		"query key": {"apiKey", map[string]string{"in": "query", "name": "a key", "value": "sés&me"}, []string{"?x=1&a+key=s%C3%A9s%26me"}, map[string][]string{
			"nothing": {}, "wrong": {"?a+key=sesam"}, "twice": {"?a+key=s%C3%A9s%26me&a%20key=s%C3%A9s%26me"}, "in a header": {"a-key: sesame"},
			"broken": {"?a+key=%zz"},
		}},
		"hmac": {"hmac", map[string]string{"secret": "sesame"}, []string{"X-EIO-Signature: " + asHex}, map[string][]string{
			"nothing": {}, "wrong": {"X-Eio-Signature: " + hex.EncodeToString(sum256("sesam", signedBody))},
			"of another body": {"X-Eio-Signature: " + hex.EncodeToString(sum256("sesame", `{"n":1}`))},
			"junk behind":     {"X-Eio-Signature: " + asHex + "00"}, "cut": {"X-Eio-Signature: " + asHex[:62]}, "half a byte": {"X-Eio-Signature: " + asHex[:63]},
			"twice": {"X-Eio-Signature: " + asHex, "X-Eio-Signature: " + asHex}, "twice, one wrong": {"X-Eio-Signature: 00", "X-Eio-Signature: " + asHex},
			"as base64": {"X-Eio-Signature: " + asBase64}, "joined": {"X-Eio-Signature: " + asHex + ", " + asHex}, "empty": {"X-Eio-Signature: "},
			"sha1": {"X-Eio-Signature: sha1=" + asHex},
		}},
		"hmac, HEX": {"hmac", map[string]string{"secret": "sesame"}, []string{"X-EIO-Signature: " + strings.ToUpper(asHex)}, nil},
		"hmac base64": {"hmac", map[string]string{"secret": "sesame", "header": "X-Sig", "encoding": "base64", "algorithm": "sha256"}, []string{"X-Sig: " + asBase64}, map[string][]string{
			"junk behind": {"X-Sig: " + asBase64 + "AA=="}, "no padding": {"X-Sig: " + strings.TrimRight(asBase64, "=")}, "hex": {"X-Sig: " + asHex},
			"other spelling": {"X-Sig: " + asBase64[:42] + string(asBase64[42]+1) + "="}, // bits that padding has to leave 0
		}},
		"hmac sha1": {"hmac", map[string]string{"secret": "sesame", "algorithm": "sha1", "prefix": "sha1="}, []string{"X-Eio-Signature: sha1=" + sum1(signedBody)}, map[string][]string{
			"no prefix": {"X-Eio-Signature: " + sum1(signedBody)}, "sha256 by the sender's choice": {"X-Eio-Signature: sha256=" + asHex},
		}},
		"hmac sha512": {"hmac", map[string]string{"secret": "sesame", "algorithm": "sha512"}, []string{"X-Eio-Signature: " + sum512(signedBody)}, map[string][]string{"sha256": {"X-Eio-Signature: " + asHex}}},
		"hmac, rotated": {"hmac", map[string]string{"secret": "new", "previousSecret": "sesame"}, []string{"X-Eio-Signature: " + asHex}, map[string][]string{
			"a third": {"X-Eio-Signature: " + hex.EncodeToString(sum256("", signedBody))},
		}},
		"hmac, rotated, by its other name": {"hmac", map[string]string{"secret": "new", "secret2": "sesame"}, []string{"X-Eio-Signature: " + asHex}, nil},
		"hmac with a timestamp": {
			"hmac",
			map[string]string{"secret": "sesame", "header": "X-Sig", "prefix": "v0=", "timestampHeader": "X-Time", "tolerance": "5m", "template": "{timestamp}.{body}"},
			[]string{"X-Time: " + now, "X-Sig: v0=" + stamped},
			map[string][]string{
				"stale": at(-6 * time.Minute), "future": at(6 * time.Minute), "no timestamp": {"X-Sig: v0=" + stamped},
				"another timestamp": {"X-Time: " + now + "0", "X-Sig: v0=" + stamped}, "junk": {"X-Time: yesterday", "X-Sig: v0=" + stamped},
				"two timestamps": {"X-Time: " + now, "X-Time: " + now, "X-Sig: v0=" + stamped},
			},
		},
	}
}

func sum1(text string) string {
	mac := hmac.New(sha1.New, []byte("sesame"))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func sum512(text string) string {
	mac := hmac.New(sha512.New, []byte("sesame"))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// try sends the signed body; what begins with ? is the query.
func (w *world) try(method, path string, shown []string) reply {
	w.t.Helper()
	var headers []string
	for _, h := range shown {
		if strings.HasPrefix(h, "?") {
			path += h
			continue
		}
		headers = append(headers, h)
	}
	return w.send(method, path, signedBody, headers...)
}

func TestEveryMethodIsAuthenticatedByEveryKindOfCredential(t *testing.T) {
	w := start(t, nil)
	accepted := 0
	id := 0
	for name, way := range ways() {
		id++
		credential, all, few := fmt.Sprint("credential", id), fmt.Sprint("all", id), fmt.Sprint("few", id)
		w.credential(t, credential, way.kind, way.values)
		w.run(t, all, schemas.Trigger{Credential: credential, Methods: everyMethod})
		w.run(t, few, schemas.Trigger{Credential: credential})
		for _, method := range everyMethod {
			for _, flow := range []string{all, few} {
				path := "/hook/" + flow
				for how, shown := range way.not {
					if got := w.try(method, path, shown); got.status != 401 {
						t.Errorf("%s, %s with %s: %d, want 401", name, method, how, got.status)
					} else if (way.kind == "basic") != (got.header.Get("Www-Authenticate") != "") {
						t.Errorf("%s, %s: WWW-Authenticate %q", name, method, got.header.Get("Www-Authenticate"))
					}
				}
				want := 200
				if flow == few && method != "GET" && method != "POST" {
					want = 405
				}
				if got := w.try(method, path, way.opens); got.status != want {
					t.Errorf("%s, %s with what opens it: %d %s, want %d", name, method, got.status, got.body, want)
				} else if want == 200 {
					accepted++
				}
			}
		}
		if got := w.send("HEAD", "/hook/"+all, ""); got.status != 200 {
			t.Errorf("%s, HEAD: %d", name, got.status)
		}
	}
	hooks := w.stored()
	if len(hooks) != accepted {
		t.Errorf("%d hooks are stored, %d were accepted", len(hooks), accepted)
	}
	for _, h := range hooks {
		if text := fmt.Sprint(h.Query, h.Headers); strings.Contains(text, "sesame") || strings.Contains(text, "s%C3%A9s%26me") || h.Headers["authorization"] != "" {
			t.Fatalf("what authenticates is stored: %s", text)
		}
	}
}

func TestCredentialThatCannotBeUsedOpensToNobody(t *testing.T) {
	w := start(t, nil)
	empty := hex.EncodeToString(sum256("", signedBody))
	w.credential(t, "no values", "hmac", nil)
	w.credential(t, "no secret", "hmac", map[string]string{"header": "x-eio-signature"})
	w.credential(t, "no password", "basic", map[string]string{"username": "ada"})
	w.credential(t, "no basic", "basic", nil)
	w.credential(t, "no key", "apiKey", map[string]string{"in": "header", "name": "x-door"})
	w.credential(t, "no name", "apiKey", map[string]string{"in": "header", "value": "sesame"})
	w.credential(t, "nowhere", "apiKey", map[string]string{"in": "body", "name": "x-door", "value": "sesame"})
	w.credential(t, "unknown type", "oauth", map[string]string{"secret": "sesame"})
	w.credential(t, "unknown algorithm", "hmac", map[string]string{"secret": "sesame", "algorithm": "md5"})
	w.credential(t, "unknown encoding", "hmac", map[string]string{"secret": "sesame", "encoding": "rot13"})
	w.credential(t, "bad tolerance", "hmac", map[string]string{"secret": "sesame", "timestampHeader": "x", "tolerance": "soon"})
	w.credential(t, "timestamp of nowhere", "hmac", map[string]string{"secret": "sesame", "template": "{timestamp}{body}"})
	w.change(t, schemas.Change{Type: schemas.CredentialSaved, Credential: &schemas.Credential{ID: "another's", Uses: "petstore", Type: "none"}})
	w.credential(t, "deleted", "none", nil)
	w.change(t, schemas.Change{Type: schemas.CredentialDeleted, Credential: &schemas.Credential{ID: "deleted"}})

	for i, credential := range []string{"missing", "deleted", "another's", "no values", "no secret", "no password", "no basic", "no key", "no name", "nowhere",
		"unknown type", "unknown algorithm", "unknown encoding", "bad tolerance", "timestamp of nowhere"} {
		flow := fmt.Sprint("flow", i)
		w.run(t, flow, schemas.Trigger{Credential: credential, Methods: everyMethod})
		for _, method := range everyMethod {
			got := w.try(method, "/hook/"+flow, []string{basic("ada", ""), "X-Door: sesame", "X-Eio-Signature: " + empty})
			if got.status != 401 {
				t.Errorf("%s, %s: %d, want 401", credential, method, got.status)
			}
			if strings.Contains(got.body, "sesame") || strings.Contains(got.body, credential) {
				t.Errorf("%s: a stranger is told %s", credential, got.body)
			}
		}
		if list := w.edge.Rejected(flow); list[0].Reason != ReasonCredential || !strings.Contains(list[0].Detail, credential) {
			t.Errorf("%s: the owner is told %+v", credential, list[0])
		}
	}
	if n := len(w.stored()); n != 0 {
		t.Errorf("%d hooks are stored", n)
	}
}

func TestChangedSecretIsWantedAtOnce(t *testing.T) {
	w := start(t, nil)
	w.credential(t, "ada", "basic", map[string]string{"username": "ada", "password": "old"})
	w.run(t, "pets", schemas.Trigger{Credential: "ada"})
	check := func(password string, want int) {
		t.Helper()
		if got := w.send("GET", "/hook/pets", "", basic("ada", password)); got.status != want {
			t.Errorf("%s: %d, want %d", password, got.status, want)
		}
	}
	check("old", 200)
	w.mu.Lock()
	w.secrets["ada"] = map[string]string{"username": "ada", "password": "new"}
	w.mu.Unlock()
	check("old", 401)
	check("new", 200)
	w.change(t, schemas.Change{Type: schemas.CredentialDeleted, Credential: &schemas.Credential{ID: "ada"}})
	check("new", 401)
}

func TestSignedURLIsTheOneSendersKnow(t *testing.T) {
	w := start(t, func(o *Options) { o.PublicURL = "https://hooks.example.com/" })
	w.credential(t, "c", "hmac", map[string]string{"secret": "sesame", "template": "{method} {url} {id} {body}"})
	w.run(t, "pets", schemas.Trigger{Credential: "c"})
	signature := hex.EncodeToString(sum256("sesame", "POST https://hooks.example.com/hook/pets/a%2Fb?x=%20 7 "+signedBody))
	if got := w.try("POST", "/hook/pets/a%2Fb?x=%20", []string{"Webhook-Id: 7", "X-Eio-Signature: " + signature}); got.status != 200 {
		t.Errorf("answer %d %s", got.status, got.body)
	}
	if got := w.try("POST", "/hook/pets/a%2Fb?x=%20", []string{"Webhook-Id: 8", "X-Eio-Signature: " + signature}); got.status != 401 {
		t.Errorf("another ID: %d", got.status)
	}
}

func TestSchemesOfProvidersAreData(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	body := `{"a":1}`
	in := func(text string) string { return hex.EncodeToString(sum256("sesame", text)) }
	whsec := "whsec_" + base64.StdEncoding.EncodeToString([]byte("sesame"))
	standard := "v1," + base64.StdEncoding.EncodeToString(sum256("sesame", "msg_1.1700000000."+body))
	stripe := Scheme{Header: "Stripe-Signature", Algorithm: "sha256", Encoding: "hex", Separator: ",", SignatureKey: "v1", TimestampKey: "t", Tolerance: 5 * time.Minute, Template: "{timestamp}.{body}"}
	webhooks := Scheme{Header: "webhook-signature", Algorithm: "sha256", Encoding: "base64", Prefix: "v1,", Separator: " ", TimestampHeader: "webhook-timestamp", Tolerance: 5 * time.Minute, Template: "{id}.{timestamp}.{body}", SecretEncoding: "base64", SecretPrefix: "whsec_"}
	slack := Scheme{Header: "X-Slack-Signature", Algorithm: "sha256", Encoding: "hex", Prefix: "v0=", TimestampHeader: "X-Slack-Request-Timestamp", Tolerance: 5 * time.Minute, Template: "v0:{timestamp}:{body}"}
	header := Scheme{Header: "x-sig", Algorithm: "sha256", Encoding: "base64url", Template: "{body}{header:x-more}{other}"}

	tests := map[string]struct {
		scheme  Scheme
		secret  string
		headers map[string]string
		reason  Reason // "" is right
	}{
		"stripe":                    {stripe, "sesame", map[string]string{"stripe-signature": "t=1700000000,v1=" + in("1700000000."+body) + ",v0=junk"}, ""},
		"stripe, rotating":          {stripe, "sesame", map[string]string{"stripe-signature": "t=1700000000, v1=" + strings.Repeat("00", 32) + ", v1=" + in("1700000000."+body)}, ""},
		"stripe, wrong":             {stripe, "sesame", map[string]string{"stripe-signature": "t=1700000000,v1=" + in("1700000001."+body)}, ReasonSignature},
		"stripe, stale":             {stripe, "sesame", map[string]string{"stripe-signature": "t=1699999699,v1=" + in("1699999699."+body)}, ReasonTimestamp},
		"stripe, on the edge":       {stripe, "sesame", map[string]string{"stripe-signature": "t=1699999700,v1=" + in("1699999700."+body)}, ""},
		"stripe, no time":           {stripe, "sesame", map[string]string{"stripe-signature": "v1=" + in("."+body)}, ReasonSignatureForm},
		"stripe, two times":         {stripe, "sesame", map[string]string{"stripe-signature": "t=1,t=1700000000,v1=" + in("1700000000."+body)}, ReasonSignatureForm},
		"stripe, old version only":  {stripe, "sesame", map[string]string{"stripe-signature": "t=1700000000,v0=" + in("1700000000."+body)}, ReasonSignatureForm},
		"stripe, too many":          {stripe, "sesame", map[string]string{"stripe-signature": "t=1700000000" + strings.Repeat(",v1="+in(""), 17)}, ReasonSignatureForm},
		"standard webhooks":         {webhooks, whsec, map[string]string{"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": "v1a,xx " + standard}, ""},
		"standard webhooks, no ID":  {webhooks, whsec, map[string]string{"webhook-timestamp": "1700000000", "webhook-signature": standard}, ReasonSignatureMissing},
		"standard webhooks, future": {webhooks, whsec, map[string]string{"webhook-id": "msg_1", "webhook-timestamp": "1700000301", "webhook-signature": standard}, ReasonTimestamp},
		"slack":                     {slack, "sesame", map[string]string{"x-slack-request-timestamp": "1700000000", "x-slack-signature": "v0=" + in("v0:1700000000:"+body)}, ""},
		"slack, milliseconds":       {slack, "sesame", map[string]string{"x-slack-request-timestamp": "1700000000123", "x-slack-signature": "v0=" + in("v0:1700000000123:"+body)}, ""},
		"slack, RFC 3339":           {slack, "sesame", map[string]string{"x-slack-request-timestamp": "2023-11-14T22:13:20Z", "x-slack-signature": "v0=" + in("v0:2023-11-14T22:13:20Z:"+body)}, ""},
		"a header is signed, too":   {header, "sesame", map[string]string{"x-more": "m", "x-sig": base64.RawURLEncoding.EncodeToString(sum256("sesame", body+"m{other}"))}, ""},
	}
	for name, test := range tests {
		verifier, err := test.scheme.Verifier("", test.secret)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lower := map[string]string{}
		for k, v := range maps.All(test.headers) {
			lower[strings.ToLower(k)] = v
		}
		err = verifier.Verify(Message{Method: "POST", Body: []byte(body), Header: func(name string) [][]byte {
			if v, ok := lower[strings.ToLower(name)]; ok {
				return [][]byte{[]byte(v)}
			}
			return nil
		}}, now)
		var reason Reason
		if err != nil {
			reason = err.(*Unproven).Reason
		}
		if reason != test.reason {
			t.Errorf("%s: %q (%v), want %q", name, reason, err, test.reason)
		}
	}
	if _, err := webhooks.Verifier("whsec_!"); err == nil {
		t.Error("a secret that is not base64 was taken")
	}
	if _, err := webhooks.Verifier("whsec_"); err == nil {
		t.Error("an empty secret was taken")
	}
}

// FuzzSignatureHeader: whatever is in the header, only one that holds the right
// signature, whole, is let in.
func FuzzSignatureHeader(f *testing.F) {
	const body = "body"
	right := hex.EncodeToString(sum256("sesame", body))
	list := Scheme{Header: "s", Algorithm: "sha256", Encoding: "hex", Separator: ",", SignatureKey: "v1", Template: "{body}"}
	one := Scheme{Header: "s", Algorithm: "sha256", Encoding: "hex", Prefix: "sha256=", Template: "{body}"}
	encoded := Scheme{Header: "s", Algorithm: "sha256", Encoding: "base64", Template: "{body}"}
	asBase64 := base64.StdEncoding.EncodeToString(sum256("sesame", body))
	for _, seed := range []string{"", right, "sha256=" + right, "v1=" + right, "t=1,v1=" + right + ",v0=a", "v1=", ",,", "=", asBase64, asBase64 + "=", "\x00", strings.Repeat("v1=00,", 40)} {
		f.Add(seed)
	}
	verify := func(s Scheme, value string) error {
		v, err := s.Verifier("sesame")
		if err != nil {
			f.Fatal(err)
		}
		return v.Verify(Message{Body: []byte(body), Header: func(string) [][]byte { return [][]byte{[]byte(value)} }}, time.Now())
	}
	f.Fuzz(func(t *testing.T, value string) {
		if err := verify(one, value); (err == nil) != strings.EqualFold(value, "sha256="+right) || err == nil && !strings.HasPrefix(value, "sha256=") {
			t.Errorf("one signature %q: %v", value, err)
		}
		if err := verify(encoded, value); (err == nil) != (value == asBase64) {
			t.Errorf("base64 %q: %v", value, err)
		}
		if err := verify(list, value); err == nil && !strings.Contains(strings.ToLower(value), "v1="+right) {
			t.Errorf("a list %q was let in", value)
		}
	})
}

package webhook

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

const standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestContract(t *testing.T) {
	conntest.Run(t, Connector(), conntest.Options{
		Pure: map[string]json.RawMessage{"webhook/reply": json.RawMessage(`{"status":201,"body":{"id":12345678901234567890}}`),
			"webhook/wait": json.RawMessage(`{"timeout":"1h"}`)},
		Cases: map[string]conntest.Case{
			"webhook/send": {
				Input: func(target string) json.RawMessage {
					return json.RawMessage(`{"url":"` + target + `/in","body":{"id":12345678901234567890123}}`)
				},
				Digits: "12345678901234567890123",
				Answer: conntest.JSON(202, `{"id":98765432109876543210}`), AnswerDigits: "98765432109876543210",
				Credentials: func(string) []*connectors.Credential {
					return []*connectors.Credential{
						nil,
						{Type: "none"},
						{Type: "basic", Values: map[string]string{"username": "wallace", "password": "s3cret"}},
						{Type: "apiKey", Values: map[string]string{"name": "x-key", "value": "s3cret-value"}},
						{Type: "hmac", Values: map[string]string{"secret": "s3cret-hmac"}},
						{Type: "standard-webhooks", Values: map[string]string{"secret": standardSecret}},
					}
				},
				Bad: []json.RawMessage{
					[]byte(`{}`), []byte(`{"url":"file:///etc/passwd"}`), []byte(`{"url":"http://a","method":"HEAD"}`),
					[]byte(`{"url":"http://a","headers":{"a":"b\nc: d"}}`), []byte(`{"url":"http://a","headers":{"content-length":"1"}}`),
				},
			},
		}})
}

func sendOne(t *testing.T, input string, c *connectors.Credential) (http.Header, string, error) {
	t.Helper()
	d := conntest.NewDestination(t)
	env := connectors.Env{
		HTTP: outgoing.New(outgoing.Options{AllowLoopback: true}),
		Now:  func() time.Time { return time.Unix(1614265330, 0) },
	}
	defer env.HTTP.CloseIdleConnections()
	_, err := send(t.Context(), env, connectors.Call{
		Input: json.RawMessage(`{"url":"` + d.URL + `/in",` + input + `}`), Credential: c,
		IdempotencyKey: "msg_p5jXN8AQM9LWM0D4loKWxJek", Attempt: 1,
	})
	if len(d.Received()) == 0 {
		return nil, "", err
	}
	r := d.Received()[0]
	return r.Header, string(r.Body), err
}

// The vector is the one the Standard Webhooks libraries test with.
func TestStandardWebhooksSignature(t *testing.T) {
	header, _, err := sendOne(t, `"body":"{\"test\": 2432232314}","contentType":"application/json"`,
		&connectors.Credential{Type: "standard-webhooks", Values: map[string]string{"secret": standardSecret}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "Webhook-Timestamp": "1614265330",
		"Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		"Idempotency-Key":   "msg_p5jXN8AQM9LWM0D4loKWxJek",
	}
	for name, value := range want {
		if diff := cmp.Diff(value, header.Get(name)); diff != "" {
			t.Error(name, diff)
		}
	}
}

func TestBothSecretsSignDuringRotation(t *testing.T) {
	header, _, err := sendOne(t, `"body":"{\"test\": 2432232314}","contentType":"application/json"`,
		&connectors.Credential{Type: "standard-webhooks", Values: map[string]string{"secret": "bmV3", "previousSecret": standardSecret}})
	if err != nil {
		t.Fatal(err)
	}
	got := header.Get("Webhook-Signature")
	const old = " v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if len(got) != 2*len(old)-1 || got[len(got)-len(old):] != old {
		t.Errorf("Webhook-Signature: %s", got)
	}
}

// The sums are openssl's: printf '{"a":1}' | openssl dgst -sha256 -hmac key.
func TestHMACSignature(t *testing.T) {
	for name, c := range map[string]struct {
		values       map[string]string
		header, want string
	}{
		"default": {map[string]string{"secret": "key"}, "x-eio-signature", "88a67f24bbcdaed0e6c997404bb79a743baf44c6bab2f4c27328e3009d22e342"},
		"all set": {map[string]string{
			"secret": "key", "header": "X-Signature", "algorithm": "sha1", "encoding": "base64", "prefix": "sha1=",
			"timestampHeader": "X-Time", "template": "{timestamp}.{id}.{method}.{body}",
		}, "X-Signature", "sha1=FBXnOA5Ghqc4dis7Z4GDx2HiOZc="},
		"sha512": {map[string]string{"secret": "key", "algorithm": "sha512"}, "x-eio-signature", "dc7d8a6a7926059e98697ef54a65f745d924fc3e13c1176879dcdc84eac480bae377fa06d1ebcc6fab1375cd9bd611a1899694cc4ca7dc0f629d8b8133c5c83d"},
	} {
		t.Run(name, func(t *testing.T) {
			header, _, err := sendOne(t, `"body":{"a":1}`, &connectors.Credential{Type: "hmac", Values: c.values})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, header.Get(c.header)); diff != "" {
				t.Error(diff)
			}
			if name := c.values["timestampHeader"]; name != "" && header.Get(name) != "1614265330" {
				t.Errorf("%s: %s", name, header.Get(name))
			}
		})
	}
}

func TestUnusableCredentialIsNamedBeforeAnythingIsSent(t *testing.T) {
	for _, c := range []*connectors.Credential{
		{Type: "standard-webhooks", Values: map[string]string{"secret": "whsec_%%%"}},
		{Type: "standard-webhooks", Values: map[string]string{}},
		{Type: "hmac", Values: map[string]string{}},
		{Type: "hmac", Values: map[string]string{"secret": "a", "algorithm": "md5"}},
		{Type: "hmac", Values: map[string]string{"secret": "a", "encoding": "rot13"}},
		{Type: "github", Values: map[string]string{"secret": "a"}},
		{Type: "basic", Values: map[string]string{}},
		{Type: "apiKey", Values: map[string]string{"name": "x-key", "value": "a\r\nb: c"}},
	} {
		header, _, err := sendOne(t, `"body":1`, c)
		if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindCredential || e.Retry != connectors.RetryNever || header != nil {
			t.Errorf("%s: %v", c.Type, err)
		}
	}
}

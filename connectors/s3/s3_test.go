package s3

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"sluice/connectors"
	"sluice/connectors/conntest"
	"sluice/connectors/outgoing"
)

func values(target string) map[string]string {
	return map[string]string{"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "s3cret-access-key", "sessionToken": "s3cret-session", "endpoint": target}
}

func TestContract(t *testing.T) {
	one := func(input string, answer http.HandlerFunc) conntest.Case {
		return conntest.Case{
			Input: func(string) json.RawMessage { return json.RawMessage(input) }, Answer: answer,
			Bad: []json.RawMessage{[]byte(`{}`), []byte(`{"bucket":"UPPER","key":"a"}`), []byte(`{"bucket":"../x","key":"a"}`)},
			Credentials: func(target string) []*connectors.Credential {
				return []*connectors.Credential{{Type: "keys", Values: values(target)}}
			},
		}
	}
	page := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<ListBucketResult></ListBucketResult>`) }
	conntest.Run(t, Connector(), conntest.Options{
		Good: map[string]func(string) map[string]string{"keys": values},
		Cases: map[string]conntest.Case{
			"s3/put":    one(`{"bucket":"invoices","key":"a/b c.json","body":{"id":12345678901234567890}}`, nil),
			"s3/get":    one(`{"bucket":"invoices","key":"a"}`, nil),
			"s3/list":   one(`{"bucket":"invoices"}`, page),
			"s3/delete": one(`{"bucket":"invoices","key":"a"}`, nil),
		},
	})
}

// store keeps objects as S3 documents it, and checks the signature of each request by making it again.
func store(t *testing.T) string {
	objects, types := map[string]string{}, map[string]string{}
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		again, _ := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
		for _, name := range []string{"X-Amz-Content-Sha256", "Content-Type", "X-Amz-Security-Token"} {
			if v := r.Header.Get(name); v != "" {
				again.Header.Set(name, v)
			}
		}
		at, _ := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		same := time.Since(at).Abs() < time.Minute
		if made := signer.SignV4(*again, "AKIAIOSFODNN7EXAMPLE", "s3cret-access-key", "s3cret-session", "us-east-1"); same && made.Header.Get("X-Amz-Date") == r.Header.Get("X-Amz-Date") {
			same = made.Header.Get("Authorization") == r.Header.Get("Authorization")
		}
		if !same {
			w.WriteHeader(403)
			fmt.Fprint(w, `<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>`)
			return
		}
		switch {
		case r.Method == "PUT":
			body, _ := io.ReadAll(r.Body)
			objects[r.URL.Path], types[r.URL.Path] = string(body), r.Header.Get("Content-Type")
			w.Header().Set("ETag", `"e1"`)
		case r.Method == "DELETE":
			delete(objects, r.URL.Path)
			w.WriteHeader(204)
		case r.URL.Query().Get("list-type") == "2":
			if r.URL.Query().Get("continuation-token") == "" {
				fmt.Fprint(w, `<ListBucketResult><Contents><Key>a&amp;b</Key><Size>3</Size><ETag>"x"</ETag></Contents><NextContinuationToken>n2</NextContinuationToken></ListBucketResult>`)
				return
			}
			fmt.Fprint(w, `<ListBucketResult></ListBucketResult>`)
		default:
			body, ok := objects[r.URL.Path]
			if !ok {
				w.WriteHeader(404)
				fmt.Fprint(w, `<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>`)
				return
			}
			w.Header().Set("Content-Type", types[r.URL.Path])
			fmt.Fprint(w, body)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestObjectsComeBackAsTheyWere(t *testing.T) {
	c := &connectors.Credential{Type: "keys", Values: values(store(t))}
	env := connectors.Env{HTTP: outgoing.New(outgoing.Options{AllowLoopback: true})}
	set, err := connectors.New(Connector())
	if err != nil {
		t.Fatal(err)
	}
	do := func(name, input string) (string, error) {
		m, _ := set.Component(name)
		r, err := m.Do(t.Context(), env, connectors.Call{Input: json.RawMessage(input), Credential: c, Attempt: 1})
		return string(r.Output), err
	}
	for key, body := range map[string]string{
		"json":               `{"id":12345678901234567890}`,
		"a b/ü+&?#%.txt":     `"text with <tags>"`,
		"bytes":              `{"base64":"AAH/"}`,
		"deep/er/and/deeper": `[1,"a"]`,
	} {
		name, _ := json.Marshal(key)
		if _, err := do("s3/put", `{"bucket":"invoices","key":`+string(name)+`,"body":`+body+`}`); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		got, err := do("s3/get", `{"bucket":"invoices","key":`+string(name)+`}`)
		if err != nil || !strings.Contains(got, `"body":`+body) {
			t.Errorf("%s: %s, %v", key, got, err)
		}
	}
	if got, err := do("s3/list", `{"bucket":"invoices","prefix":"a","limit":1}`); err != nil || !strings.Contains(got, `"key":"a&b"`) || !strings.Contains(got, `"next":"n2"`) {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := do("s3/list", `{"bucket":"invoices","next":"n2"}`); err != nil || got != `{"items":[],"next":null}` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := do("s3/delete", `{"bucket":"invoices","key":"json"}`); err != nil {
		t.Error(err)
	}
	if _, err := do("s3/get", `{"bucket":"invoices","key":"json"}`); err == nil || !strings.Contains(err.Error(), "404 NoSuchKey: The specified key does not exist.") {
		t.Errorf("%v", err)
	}
	c.Values["secretAccessKey"] = "another-s3cret"
	if e := connectors.AsError(func() error { _, err := do("s3/get", `{"bucket":"invoices","key":"bytes"}`); return err }()); e == nil || e.Kind != connectors.KindCredential {
		t.Errorf("%v", e)
	}
}

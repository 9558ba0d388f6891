package console

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// TestAPersonAuthorizesACredential goes the whole way: save, authorize, come back, use; the token is renewed when the system
// refuses it, and is in no answer and no log.
func TestAPersonAuthorizesACredential(t *testing.T) {
	var issued, called atomic.Int32
	system := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/token":
			if r.PostForm.Get("grant_type") == "authorization_code" && (r.PostForm.Get("code") != "the-code" || r.PostForm.Get("code_verifier") == "") {
				w.WriteHeader(400)
				fmt.Fprint(w, `{"error":"invalid_grant"}`)
				return
			}
			fmt.Fprintf(w, `{"access_token":"access-token-%d","refresh_token":"refresh-token","expires_in":3600}`, issued.Add(1))
		case "/things":
			called.Add(1)
			if r.Header.Get("Authorization") != "Bearer access-token-2" { // the first was revoked
				w.WriteHeader(401)
				fmt.Fprint(w, `{"message":"the token was revoked"}`)
				return
			}
			fmt.Fprintf(w, `{"id":1,"echo":%q}`, r.Header.Get("Authorization"))
		}
	}))
	t.Cleanup(system.Close)
	s := newServer(t, nil)
	s.must(201, "POST", "/api/v1/credentials", `{"id":"things","uses":"http","type":"oauth2","values":{"clientId":"me","clientSecret":"s3cret-of-mine","authorizationUrl":"https://auth.example.com/go","tokenUrl":"`+system.URL+`/token"}}`)
	var shown struct {
		OAuth *Authorization
	}
	s.must(200, "GET", "/api/v1/credentials/things", "").into(t, &shown)
	if shown.OAuth == nil || shown.OAuth.Authorized {
		t.Errorf("before it is authorized: %+v", shown.OAuth)
	}
	use := `{"uses":"http/request","credential":"things","input":{"url":"` + system.URL + `/things"}}`
	if a := s.must(422, "POST", "/api/v1/try", use); !strings.Contains(string(a.body), "Authorize") {
		t.Errorf("a trial before it is authorized: %s", a.body)
	}

	begun := s.must(200, "POST", "/api/v1/credentials/things/authorize", `{}`)
	to, err := url.Parse(begun.json(t, "url").(string))
	if err != nil {
		t.Fatal(err)
	}
	redirect := to.Query().Get("redirect_uri")
	if to.Host != "auth.example.com" || redirect != s.url+"/oauth/callback" || redirect != begun.json(t, "redirectUri") {
		t.Fatalf("sent to %s", to)
	}
	state := to.Query().Get("state")
	callback := func(status int, query url.Values) string {
		answer, err := http.Get(s.url + "/oauth/callback?" + query.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		page, _ := io.ReadAll(answer.Body)
		equal(t, "status of the page", answer.StatusCode, status)
		return string(page)
	}
	for _, forged := range []string{"", "x", state[:len(state)-2]} {
		callback(400, url.Values{"state": {forged}, "code": {"the-code"}})
	}
	if page := callback(200, url.Values{"state": {state}, "error": {"access_denied"}, "error_description": {"<script>no</script>"}}); !strings.Contains(page, "access_denied: &lt;script&gt;") {
		t.Errorf("a refusal is shown as %s", page)
	}
	callback(502, url.Values{"state": {state}, "code": {"another"}})
	if page := callback(200, url.Values{"state": {state}, "code": {"the-code"}}); !strings.Contains(page, "Authorized") {
		t.Errorf("the page says %s", page)
	}

	s.must(200, "GET", "/api/v1/credentials/things", "").into(t, &shown)
	if !shown.OAuth.Authorized || !shown.OAuth.Renewable || shown.OAuth.ExpiresAt == nil {
		t.Errorf("authorized: %+v", shown.OAuth)
	}
	var trial Trial
	tried := s.must(200, "POST", "/api/v1/try", use)
	tried.into(t, &trial)
	if trial.Error != nil || trial.HTTPStatus != 200 || called.Load() != 2 || issued.Load() != 2 {
		t.Errorf("a trial: %s after %d calls and %d tokens", tried.body, called.Load(), issued.Load())
	}
	everything := string(tried.body) + s.logs.String() + string(s.must(200, "GET", "/api/v1/credentials", "").body)
	for _, secret := range []string{"access-token-", "refresh-token", "s3cret-of-mine"} {
		if strings.Contains(everything, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	s.must(422, "POST", "/api/v1/credentials/things/authorize", `{"redirectUri":"javascript:alert(1)"}`)
	s.must(404, "POST", "/api/v1/credentials/nothing/authorize", ``)
}

func TestASampleIsMadeFromASchema(t *testing.T) {
	s := newServer(t, nil)
	made := s.must(200, "POST", "/api/v1/components/sample", `{"schema":{"type":"object","required":["id"],"properties":{"id":{"type":"integer","minimum":7},"mail":{"type":"string","format":"email"},"tags":{"type":"array","items":{"enum":["a","b"]}}}}}`)
	var got struct{ Sample json.RawMessage }
	made.into(t, &got)
	equal(t, "sample", string(got.Sample), `{"id":7,"mail":"wallace@example.com","tags":["a"]}`)
	s.must(200, "POST", "/api/v1/components/sample", `{"uses":"petstore/create-pet","of":"input"}`)
	s.must(404, "POST", "/api/v1/components/sample", `{"uses":"petstore/nothing"}`)
	s.must(422, "POST", "/api/v1/components/sample", `{}`)
	one := s.must(200, "GET", "/api/v1/components/petstore/create-pet", "")
	if one.json(t, "effect") != "keyed" {
		t.Errorf("%s", one.body)
	}
	s.must(404, "POST", "/api/v1/components/petstore/create-pet/choices", `{"field":"status"}`)
	s.must(404, "POST", "/api/v1/components/petstore%2Fcreate-pet/choices", `{"field":"status"}`)
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("reading %s: %v", a.body, err)
	}
}

package ingest

import (
	"testing"

	"sluice/schemas"
)

func TestPagesOfAllowedOriginsMaySendAndNoOthers(t *testing.T) {
	w := start(t, nil)
	w.credential(t, "ada", "basic", map[string]string{"username": "ada", "password": "sesame"})
	w.run(t, "one", schemas.Trigger{Credential: "ada", Methods: []string{"POST", "PUT"}, Origins: []string{"https://shop.example.com"}})
	w.run(t, "all", schemas.Trigger{Origins: []string{"*"}})
	w.run(t, "none", schemas.Trigger{})
	preflight := func(flow, origin string) reply {
		return w.send("OPTIONS", "/hook/"+flow, "", "Origin: "+origin, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization, content-type")
	}
	const origin = "Access-Control-Allow-Origin"
	got := preflight("one", "https://shop.example.com")
	if got.status != 204 || got.header.Get(origin) != "https://shop.example.com" || got.header.Get("Access-Control-Allow-Methods") != "POST, PUT" ||
		got.header.Get("Access-Control-Allow-Headers") != "authorization, content-type" || got.header.Get("Vary") != "Origin" || got.body != "" {
		t.Errorf("an allowed origin's preflight: %d %v", got.status, got.header)
	}
	if got = preflight("one", "https://evil.example.com"); got.status != 401 || got.header.Get(origin) != "" {
		t.Errorf("another origin's preflight: %d %v", got.status, got.header)
	}
	if got = preflight("none", "https://shop.example.com"); got.status != 405 || got.header.Get(origin) != "" {
		t.Errorf("a preflight where no origin is allowed: %d %v", got.status, got.header)
	}
	if got = preflight("all", "https://any.example.com"); got.status != 204 || got.header.Get(origin) != "*" {
		t.Errorf("any origin's preflight: %d %v", got.status, got.header)
	}
	// A page can read a refusal too; its origin opens nothing.
	if got = w.send("POST", "/hook/one", "{}", "Origin: https://shop.example.com"); got.status != 401 || got.header.Get(origin) == "" {
		t.Errorf("an allowed origin without a password: %d %v", got.status, got.header)
	}
	if got = w.send("POST", "/hook/one", "{}", "Origin: https://shop.example.com", basic("ada", "sesame")); got.status != 200 || got.header.Get(origin) == "" {
		t.Errorf("an allowed origin with the password: %d %v", got.status, got.header)
	}
	if got = w.send("POST", "/hook/one", "{}", "Origin: https://evil.example.com", basic("ada", "sesame")); got.status != 200 || got.header.Get(origin) != "" {
		t.Errorf("another origin with the password: %d %v", got.status, got.header)
	}
	if got = w.send("OPTIONS", "/hook/one", "", "Origin: https://shop.example.com"); got.status != 401 {
		t.Errorf("OPTIONS that is no preflight: %d, want 401", got.status)
	}
	if n := len(w.stored()); n != 2 {
		t.Errorf("%d hooks are stored, want 2", n)
	}
}

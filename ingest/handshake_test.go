package ingest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strconv"
	"testing"
	"time"

	"sluice/schemas"
)

func TestHandshakesAreAnsweredWithoutAnExecution(t *testing.T) {
	w := start(t, nil)
	for _, kind := range []string{"dropbox", "meta", "x", "slack", "twitch", "zoom", "github", "asana", "microsoft-graph"} {
		w.credential(t, kind, kind, map[string]string{"secret": "sesame", "verifyToken": "let me in"})
		w.run(t, kind, schemas.Trigger{Credential: kind})
	}
	w.run(t, "open", schemas.Trigger{})
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.credential(t, "discord", "discord", map[string]string{"secret": hex.EncodeToString(public)})
	w.run(t, "discord", schemas.Trigger{Credential: "discord"})

	now := strconv.FormatInt(time.Now().Unix(), 10)
	slack := `{"type":"url_verification","token":"t","challenge":"3eZbrw1a"}`
	slackSigned := []string{"X-Slack-Request-Timestamp: " + now, "X-Slack-Signature: v0=" + hex.EncodeToString(sum256("sesame", "v0:"+now+":"+slack))}
	zoom := `{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZ"}}`
	zoomSigned := []string{"x-zm-request-timestamp: " + now, "x-zm-signature: v0=" + hex.EncodeToString(sum256("sesame", "v0:"+now+":"+zoom))}
	ping := `{"type":1,"id":"1"}`
	discordSigned := []string{"X-Signature-Timestamp: " + now, "X-Signature-Ed25519: " + hex.EncodeToString(ed25519.Sign(private, []byte(now+ping)))}
	at := time.Now().UTC().Format(time.RFC3339Nano)
	twitch := `{"challenge":"pogchamp-kappa","subscription":{}}`
	twitchSigned := []string{
		"Twitch-Eventsub-Message-Id: 1", "Twitch-Eventsub-Message-Timestamp: " + at, "Twitch-Eventsub-Message-Type: webhook_callback_verification",
		"Twitch-Eventsub-Message-Signature: sha256=" + hex.EncodeToString(sum256("sesame", "1"+at+twitch)),
	}
	meta := func(token string) string {
		return "/hook/meta?" + url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {"1158201444"}, "hub.verify_token": {token}}.Encode()
	}
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		want               string
	}{
		"dropbox":                     {"GET", "/hook/dropbox?challenge=abc%3C", "", nil, 200, "abc<"},
		"meta":                        {"GET", meta("let me in"), "", nil, 200, "1158201444"},
		"meta, another token":         {"GET", meta("let us in"), "", nil, 401, ""},
		"meta, no token":              {"GET", meta(""), "", nil, 401, ""},
		"x":                           {"GET", "/hook/x?crc_token=challenge_string", "", nil, 200, `{"response_token":"sha256=` + base64.StdEncoding.EncodeToString(sum256("sesame", "challenge_string")) + `"}`},
		"x, a body as the token":      {"GET", "/hook/x?crc_token=" + url.QueryEscape(`{"a":1}`), "", nil, 401, ""},
		"slack":                       {"POST", "/hook/slack", slack, slackSigned, 200, "3eZbrw1a"},
		"slack, not signed":           {"POST", "/hook/slack", slack, nil, 401, ""},
		"zoom":                        {"POST", "/hook/zoom", zoom, zoomSigned, 200, `{"encryptedToken":"` + hex.EncodeToString(sum256("sesame", "qgg8vlvZ")) + `","plainToken":"qgg8vlvZ"}`},
		"zoom, not signed":            {"POST", "/hook/zoom", zoom, nil, 401, ""},
		"discord":                     {"POST", "/hook/discord", ping, discordSigned, 200, `{"type":1}`},
		"discord, not signed":         {"POST", "/hook/discord", ping, nil, 401, ""},
		"graph":                       {"POST", "/hook/microsoft-graph?validationToken=Validation%3A+a%2Bb", "", nil, 200, "Validation: a+b"},
		"graph, no token":             {"POST", "/hook/microsoft-graph", "", nil, 401, ""},
		"asana":                       {"POST", "/hook/asana", "", []string{"X-Hook-Secret: b537207f20cbfa02357cf448134da559"}, 200, ""},
		"asana, twice":                {"POST", "/hook/asana", "", []string{"X-Hook-Secret: a", "X-Hook-Secret: b"}, 401, ""},
		"CloudEvents":                 {"OPTIONS", "/hook/open", "", []string{"WebHook-Request-Origin: eventemitter.example.com"}, 200, ""},
		"twitch":                      {"POST", "/hook/twitch", twitch, twitchSigned, 200, "pogchamp-kappa"},
		"another provider's question": {"GET", "/hook/github?challenge=abc&crc_token=abc", "", nil, 401, ""},
	} {
		got := w.send(c.method, c.path, c.body, c.headers...)
		if got.status != c.status || c.want != "" && got.body != c.want {
			t.Errorf("%s: %d %q, want %d %q", name, got.status, got.body, c.status, c.want)
		}
		if got.status == 200 && got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser may take the answer for a page", name)
		}
		for header, want := range map[string]string{"asana": "X-Hook-Secret", "CloudEvents": "WebHook-Allowed-Origin"} {
			if name == header && got.header.Get(want) == "" {
				t.Errorf("%s: the answer has no %s", name, want)
			}
		}
	}
	if n := len(w.stored()); n != 0 {
		t.Errorf("%d hooks are stored, want none", n)
	}
	// A flow with no such credential takes the same requests for hooks.
	if got := w.send("GET", "/hook/open?challenge=abc&crc_token=abc", ""); got.status != 200 || got.body == "abc" {
		t.Errorf("an open flow answered %d %q", got.status, got.body)
	}
	if got := w.send("POST", "/hook/open", slack); got.status != 200 || got.body == "3eZbrw1a" {
		t.Errorf("an open flow answered %d %q", got.status, got.body)
	}
	if n := len(w.stored()); n != 2 {
		t.Errorf("%d hooks are stored, want 2", n)
	}
}

package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/connectors/mapping"
	"sluice/schemas"
)

func TestASampleIsShownWhenItHasCome(t *testing.T) {
	tokens, err := schemas.NewTokens("a key")
	if err != nil {
		t.Fatal(err)
	}
	seal, err := schemas.NewSeal("a key")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(o *Options) {
		o.Tokens, o.Seal = tokens, seal
		o.Envelope = func(h *schemas.Hook) *mapping.Object {
			body, _ := mapping.Decode(h.Body)
			envelope := mapping.NewObject()
			envelope.Set("body", body)
			envelope.Set("method", h.Method)
			return envelope
		}
	})
	s.do("POST", "/api/v1/flows", `{"kind":"Flow","id":"f","trigger":{"uses":"webhook/receive","sample":{"a":1}},"steps":[]}`)
	made := s.do("POST", "/api/v1/flows/f/samples", "")
	token, _ := made.json(t, "token").(string)
	if made.status != http.StatusCreated || made.json(t, "url") != "https://hooks.example.com/sample/"+token || made.json(t, "status") != "waiting" {
		t.Fatalf("%d %s", made.status, made.body)
	}
	path := "/api/v1/flows/f/samples/" + token
	if a := s.do("GET", path, ""); a.status != 200 || a.json(t, "status") != "waiting" || a.json(t, "sample") != nil {
		t.Errorf("before it came: %d %s", a.status, a.body)
	}
	ticket, ok := schemas.ReadSampleTicket(tokens, token)
	if !ok || ticket.Flow != "f" {
		t.Fatalf("the token says %+v", ticket)
	}
	client := s.client()
	put := func(body string, whole bool) {
		t.Helper()
		capture := schemas.Capture{Kind: schemas.CaptureSample, ID: ticket.ID, Flow: "f", At: time.Now(), Method: "POST", Path: "/hook/f",
			ContentType: "application/json", Body: []byte(body), Size: int64(len(body)), Whole: whole}
		record, err := capture.Record(seal, schemas.PartitionOf("f", partitions))
		if err != nil {
			t.Fatal(err)
		}
		record.Topic = schemas.DefaultTopics.Captures()
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(record.Value), "Gromit") {
			t.Error("the record is not sealed")
		}
	}
	put(`{"petname":"Gromit","id":98765432109876543210}`, true)
	put(`{"petname":"another"}`, true)
	for range 2 { // from the topic, and from memory
		a := s.do("GET", path, "")
		if a.status != 200 || a.json(t, "status") != "received" || a.json(t, "sample", "data", "petname") != "Gromit" ||
			a.json(t, "sample", "data", "id") != json.Number("98765432109876543210") || a.json(t, "sample", "hook", "method") != "POST" {
			t.Errorf("the first that came: %d %s", a.status, a.body)
		}
	}
	list := s.do("GET", "/api/v1/flows/f/samples", "")
	if list.json(t, "items", 0, "data", "a") != json.Number("1") || list.json(t, "items", 1, "data", "petname") != "Gromit" || list.json(t, "items", 2) != nil {
		t.Errorf("the list: %s", list.body)
	}
	for _, wrong := range []string{"/api/v1/flows/none/samples/" + token, path + "x", "/api/v1/flows/f/samples/x"} {
		if a := s.do("GET", wrong, ""); a.status != 404 {
			t.Errorf("%s: %d, want 404", wrong, a.status)
		}
	}
	expired := schemas.NewSampleTicket("f", time.Now().Add(-time.Hour)).Token(tokens)
	if a := s.do("GET", "/api/v1/flows/f/samples/"+expired, ""); a.json(t, "status") != "expired" {
		t.Errorf("of one that never came: %s", a.body)
	}
}

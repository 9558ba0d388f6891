package console

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/schemas"
)

// edge accepts one request, and says why of others.
type edge struct{ became schemas.ExecutionID }

func (e edge) Settle(context.Context) {}

func (e edge) Accept(_ context.Context, flow, request string) (schemas.ExecutionID, error) {
	if flow == "f" && request == "good" {
		return e.became, nil
	}
	return schemas.ExecutionID{}, problem(409, "mend it", "the cause is not mended: %s", request)
}

func (e edge) Explain(_ context.Context, _, request string) error {
	if request == "good" {
		return nil
	}
	return problem(409, "mend it", "the cause is not mended: %s", request)
}

func TestRejectedRequestsAreListedAndAccepted(t *testing.T) {
	seal, err := schemas.NewSeal("a key")
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := schemas.NewTokens("a key")
	if err != nil {
		t.Fatal(err)
	}
	became := schemas.NewExecutionID(time.Now(), 1)
	s := newServer(t, func(o *Options) { o.Tokens, o.Seal, o.Edge = tokens, seal, edge{became} })
	s.must(201, "POST", "/api/v1/flows", `{"kind":"Flow","id":"f","trigger":{"uses":"webhook/receive"},"steps":[]}`)
	empty := s.must(200, "GET", "/api/v1/flows/f/rejected", "")
	equal(t, "of a flow that rejected nothing", strings.TrimSpace(string(empty.body)), `{"items":[]}`)
	client := s.client()
	for _, c := range []schemas.Capture{
		{Kind: schemas.CaptureRejected, ID: "first", Flow: "f", Method: "PUT", Path: "/hook/f", Status: 405, Reason: "method", Detail: "this flow takes POST"},
		{Kind: schemas.CaptureRejected, ID: "good", Flow: "f", Status: 401, Reason: "signature", Detail: "the signature is not right", Body: []byte(`{"a":"topsecret","password":"p"}`), Size: 1, Query: "q=1&token=abc", ContentType: "application/json", From: "192.0.2.1:9", Whole: true,
			Headers: [][2]string{{"Authorization", "Bearer topsecret"}}, Shown: map[string]string{"accept": "*/*"}},
		{Kind: schemas.CaptureRejected, ID: "another's", Flow: "g"},
		{Kind: schemas.CaptureSample, ID: "a sample", Flow: "f"},
		{Kind: schemas.CaptureAccepted, ID: "first", Flow: "f", Execution: became.String()},
	} {
		c.At = time.Now()
		record, err := c.Record(seal, schemas.PartitionOf("f", partitions))
		if err != nil {
			t.Fatal(err)
		}
		record.Topic = schemas.DefaultTopics.Captures()
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	list := s.must(200, "GET", "/api/v1/flows/f/rejected", "")
	for name, want := range map[string]any{"id": "good", "cause": "the signature is not right", "reason": "signature", "kept": true, "status": "401"} {
		equal(t, name, list.json(t, "items", 0, name), want)
	}
	equal(t, "the one before", list.json(t, "items", 1, "id"), "first")
	equal(t, "what it became", list.json(t, "items", 1, "execution"), became.String())
	equal(t, "a third", list.json(t, "items", 2), nil)
	if strings.Contains(string(list.body), "topsecret") {
		t.Error("a secret is shown")
	}
	good := s.must(200, "GET", "/api/v1/flows/f/rejected/good", "")
	for name, want := range map[string]any{
		"id": "good", "body": `{"a":"•••","password":"•••"}`, "query": "q=1&token=•••", "from": "192.0.2.1:9", "contentType": "application/json", "now": "map[accepted:true]",
	} {
		equal(t, name, good.json(t, name), want)
	}
	first := s.must(200, "GET", "/api/v1/flows/f/rejected/first", "")
	equal(t, "a body that was not kept", first.json(t, "body"), nil)
	equal(t, "what would become of it", first.json(t, "now"), "map[accepted:false reason:the cause is not mended: first remedy:mend it]")
	equal(t, "what it became, alone", first.json(t, "execution"), became.String())
	s.must(404, "GET", "/api/v1/flows/f/rejected/none", "")
	accepted := s.must(202, "POST", "/api/v1/flows/f/rejected/good/accept", "")
	equal(t, "accepted as", accepted.json(t, "id"), became.String())
	refused := s.must(409, "POST", "/api/v1/flows/f/rejected/bad/accept", "")
	equal(t, "why not", refused.json(t, "detail"), "the cause is not mended: bad")
	s.must(404, "POST", "/api/v1/flows/none/rejected/good/accept", "")
	s.must(404, "GET", "/api/v1/flows/none/rejected", "")
}

// Of all flows the rejected requests are one list, page by page, however many
// flows and partitions there are.
func TestRejectedRequestsOfAllFlowsAreOneList(t *testing.T) {
	seal, err := schemas.NewSeal("a key")
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := schemas.NewTokens("a key")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(o *Options) { o.Tokens, o.Seal, o.Edge = tokens, seal, edge{} })
	equal(t, "of none", strings.TrimSpace(string(s.must(200, "GET", "/api/v1/rejected", "").body)), `{"items":[],"next":""}`)
	client, at := s.client(), time.Now()
	var want []string
	write := func(c schemas.Capture) {
		record, err := c.Record(seal, schemas.PartitionOf(c.Flow, partitions))
		if err != nil {
			t.Fatal(err)
		}
		record.Topic = schemas.DefaultTopics.Captures()
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	const flows, each = 30, 3
	for n := range flows {
		s.must(201, "POST", "/api/v1/flows", fmt.Sprintf(`{"kind":"Flow","id":"f%d","trigger":{"uses":"webhook/receive"},"steps":[]}`, n))
	}
	for n := range flows * each {
		c := schemas.Capture{Kind: schemas.CaptureRejected, ID: fmt.Sprint("r", n), Flow: fmt.Sprint("f", n%flows), At: at.Add(time.Duration(n/2) * time.Second), Status: 401} // two at a time
		write(c)
		want = append(want, c.ID)
	}
	write(schemas.Capture{Kind: schemas.CaptureRejected, ID: "nobody's", Flow: "none", At: at})
	write(schemas.Capture{Kind: schemas.CaptureAccepted, ID: "r0", Flow: "f0", At: at, Execution: "x"})
	var have []string
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		page := s.must(200, "GET", "/api/v1/rejected?limit=7&cursor="+cursor, "")
		cursor, _ = page.json(t, "next").(string)
		items, _ := page.json(t, "items").([]any)
		for i := range items {
			have = append(have, page.json(t, "items", i, "id").(string))
			if page.json(t, "items", i, "id") == "r0" {
				equal(t, "what r0 became", page.json(t, "items", i, "execution"), "x")
				equal(t, "the flow of r0", page.json(t, "items", i, "flow"), "f0")
			}
		}
	}
	slices.SortFunc(want, func(a, b string) int {
		var x, y int
		_, _ = fmt.Sscanf(a, "r%d", &x)
		_, _ = fmt.Sscanf(b, "r%d", &y)
		return cmp.Or(y/2-x/2, strings.Compare(b, a))
	})
	if !slices.Equal(have, want) {
		t.Errorf("have %v\nwant %v", have, want)
	}
	s.must(400, "GET", "/api/v1/rejected?cursor=x", "")
}

package console

import (
	"fmt"
	"testing"
	"time"

	"sluice/connectors/mapping"
)

func TestASubjectIsSplitWhereItsExpressionEnds(t *testing.T) {
	engine := mapping.New(mapping.Limits{})
	for _, c := range []struct{ subject, expression, value string }{
		{"body.customer.email=ann@example.com", "body.customer.email", "ann@example.com"},
		{`body.items[kind="x"].email = a=b`, `body.items[kind="x"].email`, "a=b"},
		{`$lowercase(body.email)=ann@example.com`, `$lowercase(body.email)`, "ann@example.com"},
		{"body.email", "", ""},
		{"=ann@example.com", "", ""},
		{"body.[=x", "", ""},
	} {
		_, expression, value, err := splitSubject(engine, c.subject)
		if expression != c.expression || value != c.value || (err == nil) != (c.expression != "") {
			t.Errorf("%q: %q, %q, %v", c.subject, expression, value, err)
		}
	}
}

func TestAValueIsATextANumberOrAListWithIt(t *testing.T) {
	for _, c := range []struct {
		json, text string
		has        bool
	}{
		{`"ann"`, "ann", true}, {`"anna"`, "ann", false}, {`17`, "17", true}, {`17.0`, "17", false}, {`true`, "true", true},
		{`["bob","ann"]`, "ann", true}, {`[16,17]`, "17", true}, {`["bob"]`, "ann", false}, {`{"a":"ann"}`, "ann", false}, {`null`, "ann", false},
	} {
		v, err := mapping.Decode([]byte(c.json))
		if err != nil {
			t.Fatal(err)
		}
		if hasValue(v, c.text) != c.has {
			t.Errorf("%s has %q: want %v", c.json, c.text, c.has)
		}
	}
}

func TestAnErasureThatSaysNotWhoseDataIsRefused(t *testing.T) {
	h := newHistory(t)
	for _, c := range []struct {
		status int
		body   string
	}{
		{422, `{}`}, {422, `{"sql": "SELECT 1", "subject": "body.a=b"}`}, {422, `{"subject": "body.a"}`}, {422, `{"subject": "body.a="}`},
		{404, `{"sql": "SELECT id FROM hooks", "flow": "no-such-flow"}`}, {422, `{"sql": "DROP TABLE runlog_hooks"}`},
		{422, `{"sql": "SELECT 1 AS x"}`}, {422, `{"sql": "SELECT id FROM hooks WHERE 0"}`},
	} {
		h.must(c.status, "POST", "/api/v1/erasures", c.body)
	}
	h.must(422, "POST", "/api/v1/erasures", `{"sql": "SELECT toUUID(a) AS id FROM url('http://127.0.0.1:1/', 'CSV', 'a String')", "dryRun": true}`)
	h.must(404, "GET", "/api/v1/erasures/none", "")
	h.must(404, "GET", "/api/v1/erasures/none/certificate", "")
	equal(t, "none was made", h.must(200, "GET", "/api/v1/erasures", "").json(t, "items"), "[]")

	// What has the same data is named with what was selected.
	first := h.execution(3*time.Minute, "pets", "failed", "", "application/json", `{"email":"ann@example.com"}`)
	again := h.execution(2*time.Minute, "pets", "succeeded", "", "application/json", `{"email":"other"}`)
	twice := h.execution(time.Minute, "pets", "duplicate", "another delivery of the event that started execution "+first.String(), "application/json", `{"email":"other"}`)
	if err := h.conn.Exec(t.Context(), fmt.Sprintf("ALTER TABLE runlog_executions UPDATE replay_of = toUUID('%s') WHERE id = toUUID('%s') SETTINGS mutations_sync = 2", first, again)); err != nil {
		t.Fatal(err)
	}
	for _, selection := range []string{`"sql": "SELECT id FROM hooks WHERE body LIKE '%ann%'"`, fmt.Sprintf(`"sql": "SELECT toUUID('%s') AS id"`, twice)} {
		a := h.must(200, "POST", "/api/v1/erasures", `{`+selection+`, "dryRun": true}`)
		equal(t, "total of "+selection, a.json(t, "total"), "3")
		equal(t, "related of "+selection, a.json(t, "related"), "2")
		equal(t, "in the clear", a.json(t, "found", "unsealed"), "3")
	}
}

func TestASearchSaysWhatItDoesNotLookIn(t *testing.T) {
	h := newHistory(t)
	h.execution(time.Minute, "pets", "succeeded", "", "application/json", `{"a":"gromit"}`)
	large := h.execution(2*time.Minute, "pets", "succeeded", "", "application/json", "")
	if err := h.conn.Exec(t.Context(), fmt.Sprintf("ALTER TABLE runlog_hooks UPDATE blob = 'd/large' WHERE id = toUUID('%s') SETTINGS mutations_sync = 2", large)); err != nil {
		t.Fatal(err)
	}
	equal(t, "not searched", h.must(200, "GET", "/api/v1/executions?q=gromit", "").json(t, "notSearched"), "1")
	if got := h.must(200, "GET", "/api/v1/executions?q=gromit&since=90s", "").json(t, "notSearched"); fmt.Sprint(got) != "<nil>" && fmt.Sprint(got) != "" {
		t.Errorf("of the last 90 s: %v", got)
	}
}

package console

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sluice/connectors/mapping"
	"sluice/schemas"
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

// More executions than a record of the control log names are erased all the same.
func TestAnErasureOfMoreThanARecordHoldsHasAllOfThem(t *testing.T) {
	h := newHistory(t)
	const executions = schemas.ErasedPiece + 50
	if err := h.conn.Exec(t.Context(), fmt.Sprintf(`INSERT INTO runlog_hooks (id, flow, received_at, method, path, content_type, body, topic, source_partition, source_offset, blob, sealed_key)
		SELECT generateUUIDv7(), 'pets', now64(6), 'POST', '/hook/pets', 'application/json', '{}', 'hooks', 1, number, if(number %% 10000 = 0, 'shared', ''), toString(number) FROM numbers(%d)`, executions)); err != nil {
		t.Fatal(err)
	}
	a := h.must(202, "POST", "/api/v1/erasures", `{"sql": "SELECT id FROM hooks", "flow": "pets"}`)
	for _, c := range []struct {
		path []any
		want string
	}{{[]any{"total"}, fmt.Sprint(executions)}, {[]any{"found", "hooks"}, fmt.Sprint(executions)}, {[]any{"found", "keys"}, fmt.Sprint(executions)}, {[]any{"found", "blobs"}, "1"}} {
		equal(t, fmt.Sprint(c.path...), a.json(t, c.path...), c.want)
	}
	id := a.json(t, "id").(string)
	e := h.log.Erasure(id)
	if e == nil || e.Count() != executions || !h.log.Erased(e.IDs()[0]) || !h.log.Erased(e.IDs()[executions-1]) {
		t.Fatal("the control log does not have all of them")
	}
	h.must(409, "GET", "/api/v1/erasures/"+id+"/certificate", "")
	if _, err := h.log.Append(t.Context(), schemas.Change{Type: schemas.ErasureFinished, ErasureID: id, Expect: e.Revision, Certificate: &schemas.Certificate{Erasure: id}}); err != nil {
		t.Fatal(err)
	}
	var certificate schemas.Certificate
	if err := json.Unmarshal(h.must(200, "GET", "/api/v1/erasures/"+id+"/certificate", "").body, &certificate); err != nil || len(certificate.Executions) != executions {
		t.Errorf("the certificate has %d executions, want %d (%v)", len(certificate.Executions), executions, err)
	}
}

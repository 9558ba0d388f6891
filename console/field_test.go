package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/schemas/clickhouse"
)

func TestExecutionsAreFoundByAFieldOfTheirBodies(t *testing.T) {
	h := newHistory(t)
	bodies := []string{
		`{"customer":{"email":"ann@example.com","id":42},"items":[{"sku":"A1"},{"sku":"B2"}],"ok":true}`,
		`{"customer":{"email":"Bob@example.com","id":420},"items":[{"sku":"B2","tags":["new","A1"]}],"ok":null}`,
		`{"customer":"ann@example.com","id":42}`,
		`{"customer":{"email":"zo\u00eb miller@example.com","name":"O\u0027Neil \u003cboss\u003e","a.b":"x y"}}`,
		`<customer><email>ann@example.com</email></customer>`,
		`{"ok":"true","customer":{"note":"line\nmiller"}}`,
	}
	var ids []string
	for i, b := range bodies {
		ids = append(ids, h.execution(time.Duration(i+1)*time.Minute, "pets", "succeeded", "", "application/json", b).String())
	}
	for _, c := range []struct {
		fields string // apart by spaces, as they are in an address
		want   []int
	}{
		{"body.customer.email=ann@example.com", []int{0}},
		{"body.customer=ann@example.com", []int{2}},
		{"body.customer.email=example.com", nil},
		{"body.customer.email=bob@example.com", nil}, // as it is written
		{"body.customer.id=42", []int{0}},
		{"body.id=42", []int{2}},
		{"body.ok=true", []int{0, 5}},
		{"body.ok=null", []int{1}},
		{"body.items[0].sku=A1", []int{0}},
		{"body.items[-1].sku=B2", []int{0, 1}},
		{"body.items[].sku=A1", []int{0}},
		{"body.items[].tags[]=A1", []int{1}},
		{"body.items[].sku=B2 body.customer.id=42", []int{0}},
		{"body.customer.email=zoë%20miller@example.com", []int{3}},
		{"body.customer.name=O'Neil%20<boss>", []int{3}},
		{"body.customer.`a.b`=x%20y", []int{3}},
		{"body.customer.note=line%0Amiller", []int{5}},
		{"body.customer.email=' OR 1=1", nil},
	} {
		query := url.Values{}
		for _, f := range strings.Fields(c.fields) {
			plain, err := url.PathUnescape(f)
			if err != nil {
				t.Fatal(err)
			}
			query.Add("field", plain)
		}
		if strings.Contains(c.fields, " OR ") {
			query = url.Values{"field": {c.fields}}
		}
		a := h.must(200, "GET", "/api/v1/executions?"+query.Encode(), "")
		list, _ := a.json(t, "items").([]any)
		var have []int
		for i := range list {
			have = append(have, slices.Index(ids, a.json(t, "items", i, "id").(string)))
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("%s: executions %v, want %v", c.fields, have, c.want)
		}
		// A replay takes the same.
		request, _ := json.Marshal(map[string]any{"field": query["field"]})
		equal(t, "hooks of a replay of "+c.fields, h.must(200, "POST", "/api/v1/replays/estimate", string(request)).json(t, "hooks"), fmt.Sprint(len(c.want)))
	}
	for _, bad := range []string{"customer=1", "body=1", "body.=1", "body.a", "body.a[x]=1", "body.a[1=1", "body.`a=1"} {
		a := h.must(400, "GET", "/api/v1/executions?"+url.Values{"field": {bad}}.Encode(), "")
		if detail, _ := a.json(t, "detail").(string); !strings.Contains(detail, "field") {
			t.Errorf("%s: %s", bad, detail)
		}
		request, _ := json.Marshal(map[string]any{"field": []string{bad}})
		h.must(422, "POST", "/api/v1/replays", string(request))
	}
}

func TestAFieldIsFoundByTheIndexOfWords(t *testing.T) {
	h := newHistory(t)
	for i := range 5 {
		h.execution(time.Duration(i+1)*time.Minute, "pets", "succeeded", "", "application/json", `{"customer":{"email":"ann@example.com"}}`)
	}
	f, err := clickhouse.ParseBodyField("body.customer.email=rare@example.com")
	if err != nil {
		t.Fatal(err)
	}
	sql, args := f.Condition()
	rows, err := h.conn.Query(t.Context(), "EXPLAIN indexes = 1 SELECT id FROM runlog_hooks WHERE "+sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, line)
	}
	at := slices.IndexFunc(plan, func(l string) bool { return strings.Contains(l, "by_words") })
	if at < 0 || !slices.ContainsFunc(plan[at:], func(l string) bool { return strings.Contains(l, "Granules: 0/") }) {
		t.Errorf("the plan does not skip by the index:\n%s", strings.Join(plan, "\n"))
	}
}

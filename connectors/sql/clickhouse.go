package sql

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// clickhouse speaks ClickHouse's HTTP interface, whose parameters the server puts in place: {name:Type} is param_name.
func clickhouse(ctx context.Context, env connectors.Env, c *connectors.Credential, s statement, r *result) error {
	if s.listed != nil {
		return connectors.BadInput("parameters: ClickHouse takes an object, a name for each {name:Type}")
	}
	u, err := outgoing.ParseURL(c.Value("url"))
	if err != nil {
		return connectors.BadCredential("url: %v", err)
	}
	q := url.Values{
		"database": {or(c.Value("database"), "default")}, "default_format": {"JSON"}, "max_result_rows": {strconv.Itoa(s.limit + 1)}, "result_overflow_mode": {"break"},
		"output_format_json_quote_64bit_integers": {"0"}, "output_format_json_quote_decimals": {"0"}, "wait_end_of_query": {"1"},
	}
	if s.readOnly {
		q.Set("readonly", "2") // reads only, and may say the settings above
	}
	for name, p := range s.named {
		value := `\N`
		if p != nil {
			value = escaped.Replace(*p)
		}
		q.Set("param_"+name, value)
	}
	u.RawQuery = q.Encode()
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "X-Clickhouse-User": {or(c.Value("username"), "default")}}
	if password := c.Value("password"); password != "" {
		header.Set("X-ClickHouse-Key", password)
	}
	for _, values := range header {
		if strings.ContainsAny(values[0], "\r\n") {
			return connectors.BadCredential("the credential holds a line break: enter it again")
		}
	}
	answer, err := outgoing.Send(ctx, env.HTTP, outgoing.Request{
		Doing: "asking ClickHouse", Method: http.MethodPost, URL: u, Header: header, Body: []byte(s.text), Secrets: []string{c.Value("password")},
	})
	if err != nil {
		if e := connectors.AsError(err); e.Kind == connectors.KindHTTP && answer.Status/100 == 4 && answer.Status != http.StatusTooManyRequests || answer.Header.Get("X-Clickhouse-Exception-Code") != "" {
			code := answer.Header.Get("X-Clickhouse-Exception-Code")
			return &refusal{
				message: strings.TrimSpace(string(answer.Body[:min(len(answer.Body), 400)])), credential: code == "516" || code == "192" || code == "497",
				again: code == "202" || code == "159" || code == "241" || code == "252" || code == "319", nothing: code != "159",
			}
		}
		return err
	}
	body := bytes.TrimSpace(answer.Body)
	if len(body) == 0 {
		return nil // a statement without rows
	}
	var table struct {
		Meta []struct{ Name string }
		Data []map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &table); err != nil {
		return outgoing.Misread("asking ClickHouse", err)
	}
	names := make([]string, len(table.Meta))
	for i, m := range table.Meta {
		names[i] = m.Name
	}
	for _, row := range table.Data {
		values := make([]json.RawMessage, len(names))
		for i, name := range names {
			values[i] = row[name]
		}
		if err := r.add(names, values); err != nil {
			return err
		}
	}
	return nil
}

// escaped is how a parameter's value is written: tab-separated format has these escapes.
var escaped = strings.NewReplacer("\\", "\\\\", "\t", "\\t", "\n", "\\n", "\r", "\\r", "\x00", "\\0")

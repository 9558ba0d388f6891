package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"sluice/schemas/clickhouse"
)

// exports are the formats of a query's answer besides JSON: by name, by media
// type, and as ClickHouse calls them.
var exports = []struct{ name, media, format string }{
	{"csv", "text/csv", "CSVWithNames"},
	{"ndjson", "application/x-ndjson", "JSONEachRow"},
	{"parquet", "application/vnd.apache.parquet", "Parquet"},
	{"arrow", "application/vnd.apache.arrow.stream", "ArrowStream"},
}

// exportFormat is the index of the format that a request asks for; -1: JSON.
func exportFormat(r *http.Request) (int, error) {
	if name := r.URL.Query().Get("format"); name != "" {
		for i, f := range exports {
			if f.name == strings.ToLower(name) {
				return i, nil
			}
		}
		if strings.EqualFold(name, "json") {
			return -1, nil
		}
		return 0, problem(http.StatusBadRequest, "choose json, csv, ndjson, parquet or arrow", "there is no format %q", name)
	}
	accept := r.Header.Get("Accept")
	for one := range strings.SplitSeq(accept, ",") {
		media, _, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		switch media {
		case "*/*", "application/*", "application/json":
			return -1, nil
		case "application/parquet", "application/x-parquet":
			media = "application/vnd.apache.parquet"
		case "application/vnd.apache.arrow", "application/arrow":
			media = "application/vnd.apache.arrow.stream"
		}
		for i, f := range exports {
			if f.media == media {
				return i, nil
			}
		}
	}
	if accept == "" {
		return -1, nil
	}
	return 0, problem(http.StatusNotAcceptable, "ask for application/json, text/csv, application/x-ndjson, application/vnd.apache.parquet or application/vnd.apache.arrow.stream", "no format of the answer is accepted")
}

// export answers a query that asks for another format than JSON.
func (c *Console) export(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	i, err := exportFormat(r)
	if err == nil && i < 0 {
		next(ctx)
		return
	}
	if err == nil {
		err = c.exportTo(w, r, i)
	}
	if err == nil {
		return
	}
	p, ok := err.(*Problem)
	if !ok {
		p = &Problem{Status: http.StatusInternalServerError, Detail: "the query could not be answered"}
		c.log.Warn("answering a query", "error", err)
	}
	writeProblem(w, p)
}

// exportTo returns an error only before the first byte is written.
func (c *Console) exportTo(w http.ResponseWriter, r *http.Request, i int) error {
	if c.opts.SQL == nil {
		return problem(http.StatusServiceUnavailable, historyRemedy, "there is no ClickHouse to ask")
	}
	if c.opts.Export == nil {
		return problem(http.StatusNotAcceptable, "ask for JSON, or give SLUICE_CLICKHOUSE_URL as http://…", "ClickHouse is reached by its native protocol, which has no %s", exports[i].name)
	}
	var in struct {
		SQL string `json:"sql"`
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(raw, &in)
	}
	if err != nil || strings.TrimSpace(in.SQL) == "" {
		return problem(http.StatusUnprocessableEntity, `send {"sql": "SELECT …"}`, "the request's body has no statement")
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	if err := clickhouse.Guard(ctx, c.opts.SQL, in.SQL); err != nil {
		return c.queryError(err)
	}
	rows, err := c.opts.Export.Query(ctx, in.SQL, exports[i].format)
	if err != nil {
		return c.queryError(err)
	}
	defer rows.Close()
	w.Header().Set("Content-Type", exports[i].media)
	w.Header().Set("Content-Disposition", `attachment; filename="query.`+exports[i].name+`"`)
	if _, err := io.Copy(w, rows); err != nil && !errors.Is(err, context.Canceled) {
		c.log.Debug("sending a query's result", "error", err)
		panic(http.ErrAbortHandler) // so that the client sees it is cut
	}
	return nil
}

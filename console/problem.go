package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/danielgtaylor/huma/v2"

	"sluice/schemas"
)

// Problem is an error of the API (RFC 9457, application/problem+json).
type Problem struct {
	Title  string `json:"title" doc:"The status in words"`
	Status int    `json:"status" doc:"HTTP status code"`
	Detail string `json:"detail" doc:"What is wrong"`
	Remedy string `json:"remedy,omitempty" doc:"What to do about it"`
	// Problems are the places of a document, when it is one that is wrong.
	Problems schemas.Problems `json:"problems,omitempty" doc:"Where a document is wrong, and what would be right"`
	// UsedBy are the flows that stand in the way of a delete.
	UsedBy []string `json:"usedBy,omitempty" doc:"Flows that stand in the way"`
	// Revision is how the thing stands that somebody else changed meanwhile.
	Revision int64 `json:"revision,omitempty" doc:"The revision that the thing has now, when somebody else changed it"`
}

// Error is the detail and the remedy.
func (p *Problem) Error() string {
	if p.Remedy == "" {
		return p.Detail
	}
	return p.Detail + "; " + p.Remedy
}

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType makes the answer problem+json (huma.ContentTypeFilter).
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func problem(status int, remedy, format string, args ...any) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
}

// wrongDocument answers what is wrong with documents.
func wrongDocument(problems schemas.Problems) *Problem {
	p := problem(http.StatusUnprocessableEntity, "", "the document is wrong in %d places", len(problems))
	if len(problems) == 1 {
		p.Detail = "the document is wrong: " + problems[0].Message
		p.Remedy = problems[0].Remedy
	}
	p.Problems = problems
	return p
}

// documentError is the answer to an error of reading documents.
func documentError(err error) error {
	if problems, ok := errors.AsType[schemas.Problems](err); ok {
		return wrongDocument(problems)
	}
	return problem(http.StatusUnprocessableEntity, "", "%v", err)
}

// kafkaError is the answer when the control log or a command could not be written.
func (c *Console) kafkaError(err error) error {
	c.log.Warn("writing to Kafka", "error", err)
	return problem(http.StatusServiceUnavailable, "check the brokers (`sluice doctor`) and send the request again", "Kafka did not take the change: %v", err)
}

// historyRemedy is what to do when there is no ClickHouse to ask.
const historyRemedy = "check ClickHouse (`sluice doctor`); hooks and flows go on without it, and the run log catches up by itself"

// storeError is the answer to an error of reading the run log.
func (c *Console) storeError(err error) error {
	if e, ok := errors.AsType[*clickhouse.Exception](err); ok && e.Code != tooManyQueries && e.Code != unknownTable && e.Code != unknownDatabase {
		c.log.Error("reading the run log", "error", err)
		return problem(http.StatusInternalServerError, "the server's log says more", "the run log could not be read (ClickHouse code %d)", e.Code)
	}
	if !errors.Is(err, context.Canceled) {
		c.log.Warn("reading the run log", "error", err)
	}
	return problem(http.StatusServiceUnavailable, historyRemedy, "the run log cannot be read: ClickHouse does not answer")
}

// Codes of ClickHouse (src/Common/ErrorCodes.cpp).
const (
	unknownTable    = 60
	unknownDatabase = 81
	tooManyQueries  = 202
)

func writeProblem(w http.ResponseWriter, p *Problem) {
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// withoutValues takes what a client sent out of the errors that name it: it may
// be a secret.
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
	if m, ok := v.(*huma.ErrorModel); ok {
		for _, d := range m.Errors {
			if d != nil {
				d.Value = nil
			}
		}
	}
	return v, nil
}

// problems turns the mux's own plain-text answers (404, 405) into problem+json.
func problems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			rec := &statusOnly{header: w.Header()}
			mux.ServeHTTP(rec, r)
			w.Header().Del("Content-Length")
			switch rec.status {
			case http.StatusMethodNotAllowed:
				writeProblem(w, &Problem{Status: rec.status, Detail: "the path has no " + r.Method, Remedy: "it has " + w.Header().Get("Allow")})
			case http.StatusNotFound:
				writeProblem(w, &Problem{Status: rec.status, Detail: "there is no such path", Remedy: "see /api/v1/openapi.json"})
			default: // a redirect to the clean path
				w.WriteHeader(rec.status)
			}
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// statusOnly takes an answer's status and headers and drops its body.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }

package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// checkTimeout is how long one health check may take.
const checkTimeout = 5 * time.Second

// CheckResult is how one thing that Sluice depends on stands.
type CheckResult struct {
	Name       string  `json:"name"`
	OK         bool    `json:"ok"`
	Optional   bool    `json:"optional,omitempty" doc:"The API is ready without it"`
	Error      string  `json:"error,omitempty"`
	Remedy     string  `json:"remedy,omitempty"`
	DurationMs float64 `json:"durationMs"`
}

// Diagnosis is how everything that Sluice depends on stands.
type Diagnosis struct {
	OK     bool          `json:"ok"`
	Checks []CheckResult `json:"checks" nullable:"false"`
}

type doctorOutput struct{ Body Diagnosis }

func (c *Console) registerDoctor(api huma.API) {
	huma.Register(api, op("doctor", http.MethodGet, "/doctor", "Check everything that Sluice depends on, and say what to do", "operation"),
		func(ctx context.Context, _ *struct{}) (*doctorOutput, error) {
			return &doctorOutput{c.diagnose(ctx, true)}, nil
		})
}

// diagnose runs all checks at once. One that does not come back in time is
// reported and left behind. whole: what is dear to check as well.
func (c *Console) diagnose(ctx context.Context, whole bool) Diagnosis {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	checks := slices.Clone(c.opts.Health)
	if whole && c.opts.ClickHouse != nil {
		checks = append(checks, HealthCheck{Name: "accounting", Optional: true, Check: c.checkAccounts,
			Remedy: "GET /api/v1/accounting has the account; compare the executions named with the topic hooks"})
	}
	out := Diagnosis{OK: true, Checks: make([]CheckResult, len(checks))}
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() {
			begin := time.Now()
			done := make(chan error, 1)
			go func() { done <- check.Check(ctx) }()
			var err error
			select {
			case err = <-done:
			case <-ctx.Done():
				err = ctx.Err()
			}
			r := CheckResult{Name: check.Name, OK: err == nil, Optional: check.Optional, DurationMs: milliseconds(time.Since(begin))}
			if err != nil {
				r.Error, r.Remedy = err.Error(), check.Remedy
				if errors.Is(err, context.DeadlineExceeded) {
					r.Error = "no answer within 5 s"
				}
			}
			out.Checks[i] = r
		})
	}
	all.Wait()
	for _, r := range out.Checks {
		out.OK = out.OK && r.OK
	}
	return out
}

// ready answers 200 when everything that is not optional is well.
func (c *Console) ready(w http.ResponseWriter, r *http.Request) {
	out := c.diagnose(r.Context(), false)
	status := http.StatusOK
	for i := range out.Checks {
		if !out.Checks[i].OK && !out.Checks[i].Optional {
			status = http.StatusServiceUnavailable
		}
		if c.opts.Token != "" {
			out.Checks[i].Error = "" // it may name hosts; /api/v1/doctor says it to who has the token
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": status == http.StatusOK, "checks": out.Checks})
}

package schemas

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// UsualReplayRate is how many hooks a second are begun, at most, of a replay
// that has no rate of its own, while live hooks come or may come unseen.
const UsualReplayRate = 100.0

// MaxSelected is how many hooks one replay may select.
const MaxSelected = 1_000_000

// Check says what is wrong with a selection, as something a person can mend.
func (s *Selection) Check() error {
	if s.Flow == "" && len(s.Executions) == 0 && len(s.Offsets) == 0 && len(s.Fields) == 0 && s.SQL == "" && s.ChangedIn == "" {
		return errors.New("the selection is empty: name a flow, executions, offsets, a field of the body, a SQL statement, or a dry run")
	}
	if !s.To.IsZero() && !s.To.After(s.From) {
		return fmt.Errorf("the selection ends at %s, before it begins", s.To.Format("2006-01-02T15:04:05Z07:00"))
	}
	if s.Group != "" && s.ChangedIn == "" {
		return errors.New("a group of differences belongs to a dry run: name it in changedIn")
	}
	for _, r := range s.Offsets {
		if r.Partition < 0 || r.From < 0 || r.To < r.From {
			return fmt.Errorf("offsets %s: want a partition, the first and the last offset", r)
		}
	}
	for _, id := range s.Executions {
		if _, err := ParseExecutionID(id); err != nil {
			return fmt.Errorf("execution %q: %w", id, err)
		}
	}
	for _, status := range s.Status {
		if !slices.Contains(Statuses, status) {
			return fmt.Errorf("status %q: want %s", status, strings.Join(Statuses, ", "))
		}
	}
	return nil
}

// Statuses are the words for how an execution stands.
var Statuses = []string{"waiting", "running", "succeeded", "failed", "duplicate", "filtered", "cancelled"}

// FromTopic reports whether the selection's hooks are read from Kafka's topic
// hooks, as far as that still has them; all others are found in the run log.
func (s *Selection) FromTopic() bool {
	return len(s.Offsets) > 0 && len(s.Status) == 0 && s.Text == "" && len(s.Fields) == 0 && len(s.Executions) == 0 && s.SQL == "" && s.ChangedIn == ""
}

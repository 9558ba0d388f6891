// Package schedule is the connector whose trigger starts a flow by the clock: schedule/cron.
package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // time zones where the machine has none

	"github.com/robfig/cron/v3"

	"sluice/connectors"
)

// Connector returns the schedule connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "schedule",
		Title:   "Schedule",
		Summary: "Starts flows by the clock.",
		Components: []connectors.Component{{
			Name:    "schedule/cron",
			Title:   "Schedule",
			Summary: "Starts the flow at the times of a cron expression, each once, however many processes there are.",
			Trigger: true,
			Effect:  connectors.Pure,
			Input:   json.RawMessage(settings),
			Output:  json.RawMessage(output),
			Check: func(input json.RawMessage) error {
				_, err := Parse(input)
				return err
			},
		}},
	}
}

const settings = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["cron"], "additionalProperties": false,
  "properties": {
    "cron": {"type": "string", "title": "Cron expression", "minLength": 1, "maxLength": 200, "description": "minute, hour, day of the month, month, day of the week; or @hourly, @daily, @weekly, @every 10s", "examples": ["0 8 * * 1-5"]},
    "timezone": {"type": "string", "title": "Time zone", "description": "a name of the time zone database, such as Europe/Berlin", "default": "UTC", "examples": ["Europe/Berlin"]},
    "missed": {"type": "string", "title": "When Sluice was down", "enum": ["once", "skip"], "default": "once", "description": "once: of the times that passed the last one is made up for; skip: none"}
  }
}`

const output = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["body"],
  "properties": {
    "body": {
      "type": "object", "title": "Body", "required": ["scheduledAt"],
      "properties": {
        "scheduledAt": {"type": "string", "format": "date-time", "title": "Scheduled at", "description": "The time that was due, in UTC", "examples": ["2025-01-31T07:00:00Z"]},
        "localTime": {"type": "string", "title": "Local time", "description": "The same in the schedule's time zone", "examples": ["2025-01-31T08:00:00+01:00"]},
        "cron": {"type": "string", "title": "Cron expression", "examples": ["0 8 * * 1-5"]},
        "timezone": {"type": "string", "title": "Time zone", "examples": ["Europe/Berlin"]}
      }
    }
  }
}`

// Schedule says when a flow is due.
type Schedule struct {
	Cron, Zone string
	Skip       bool // what was missed is not made up for
	times      cron.Schedule
	every      time.Duration // of @every
	location   *time.Location
}

var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// Parse reads the settings of a schedule/cron. The error names the field and what would be right.
func Parse(input json.RawMessage) (*Schedule, error) {
	var in struct{ Cron, Timezone, Missed string }
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, errors.New("the settings are an object with cron, and may have timezone and missed")
	}
	if in.Timezone == "" {
		in.Timezone = "UTC"
	}
	s := &Schedule{Cron: in.Cron, Zone: in.Timezone, Skip: in.Missed == "skip"}
	var err error
	if s.location, err = time.LoadLocation(in.Timezone); err != nil || in.Timezone == "Local" {
		return nil, fmt.Errorf("timezone: there is no %q; write a name such as Europe/Berlin", in.Timezone)
	}
	if s.times, err = parser.Parse(in.Cron); err != nil {
		return nil, fmt.Errorf("cron: %w; write five fields such as 0 8 * * 1-5", err)
	}
	if constant, ok := s.times.(cron.ConstantDelaySchedule); ok {
		s.every = constant.Delay
	}
	if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("cron: %q is never due", in.Cron)
	}
	return s, nil
}

// Next is the first time due after t; zero when there is none within five years. It depends on t alone: whichever process
// asks, the times are the same.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.every > 0 {
		return t.Truncate(s.every).Add(s.every).UTC() // multiples since the year 1, not since a process began
	}
	return s.times.Next(t.In(s.location)).UTC()
}

// Body is what the flow gets for a time.
func (s *Schedule) Body(due time.Time) []byte {
	raw, _ := json.Marshal(map[string]string{
		"scheduledAt": due.UTC().Format(time.RFC3339), "localTime": due.In(s.location).Format(time.RFC3339), "cron": s.Cron, "timezone": s.Zone,
	})
	return raw
}

package schedule

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sluice/connectors/conntest"
)

func TestContract(t *testing.T) { conntest.Run(t, Connector(), conntest.Options{}) }

func TestTimesAreThoseOfTheZone(t *testing.T) {
	for _, c := range []struct{ settings, after, want string }{
		{`{"cron":"0 8 * * 1-5","timezone":"Europe/Berlin"}`, "2025-01-31T07:00:00Z", "2025-02-03T07:00:00Z"}, // over a weekend
		{`{"cron":"0 8 * * *","timezone":"Europe/Berlin"}`, "2025-03-29T12:00:00Z", "2025-03-30T06:00:00Z"},   // summer time began
		{`{"cron":"0 8 * * *","timezone":"America/New_York"}`, "2025-07-01T00:00:00Z", "2025-07-01T12:00:00Z"},
		{`{"cron":"*/15 * * * *"}`, "2025-01-01T00:00:00Z", "2025-01-01T00:15:00Z"},
		{`{"cron":"0 0 29 2 *"}`, "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{`{"cron":"@every 10s"}`, "2025-01-01T00:00:03Z", "2025-01-01T00:00:10Z"},
		{`{"cron":"@daily","timezone":"Asia/Kolkata"}`, "2025-01-01T00:00:00Z", "2025-01-01T18:30:00Z"},
	} {
		s, err := Parse(json.RawMessage(c.settings))
		if err != nil {
			t.Fatal(err)
		}
		after, _ := time.Parse(time.RFC3339, c.after)
		if got := s.Next(after).Format(time.RFC3339); got != c.want {
			t.Errorf("%s after %s: %s, want %s", c.settings, c.after, got, c.want)
		}
	}
}

func TestAScheduleThatIsWrongSaysWhatIsRight(t *testing.T) {
	for settings, want := range map[string]string{
		`{"cron":"0 8 * *"}`:                            "cron: ",
		`{"cron":"61 * * * *"}`:                         "cron: ",
		`{"cron":"0 0 31 2 *"}`:                         "never due",
		`{"cron":"@daily","timezone":"Europe/Nowhere"}`: "timezone: ",
		`{"cron":"@daily","timezone":"Local"}`:          "timezone: ",
		`[]`:                                            "object",
	} {
		if _, err := Parse(json.RawMessage(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

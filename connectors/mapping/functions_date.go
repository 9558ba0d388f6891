package mapping

import (
	"math"
	"strconv"
	"strings"
	"time"
)

func now(f *frame, args []any) (any, *Error) {
	return formatMillis(f.state, f.ev.millis(), argument(args, 0), argument(args, 1))
}

func millis(f *frame, _ []any) (any, *Error) { return f.ev.millis(), nil }

func fromMillis(f *frame, args []any) (any, *Error) {
	n, ok := numeric(argument(args, 0))
	if !ok {
		return undefined, nil
	}
	return formatMillis(f.state, n, argument(args, 1), argument(args, 2))
}

func formatMillis(s *state, millis float64, picture, zone any) (any, *Error) {
	text, given := picture.(string)
	offset, zoned := zone.(string)
	if !given && !zoned && millis == math.Trunc(millis) && millis >= 0 && millis < 253402300800000 {
		return time.UnixMilli(int64(millis)).UTC().Format("2006-01-02T15:04:05.000Z"), nil
	}
	if !given {
		text = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]"
	}
	if zoned && offset == "" {
		return nil, giveUp
	}
	p, err := parseDatePicture(text)
	if err != nil {
		return nil, err
	}
	return some(formatDate(s, millis, p, offset))
}

func toMillis(f *frame, args []any) (any, *Error) {
	text, ok := argument(args, 0).(string)
	if !ok {
		return undefined, nil
	}
	if picture, ok := argument(args, 1).(string); ok {
		return parseDate(f.state, text, picture)
	}
	if n, ok := parseISO(text); ok {
		return n, nil
	}
	if strings.ContainsAny(text, "0123456789") {
		return nil, giveUp
	}
	return nil, &Error{Code: "D3110", value: text}
}

// parseISO reads the common forms of ISO 8601: a date, or a date and a time
// with an offset.
func parseISO(s string) (millis float64, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	year, okY := fixed(s[0:4], 0, 9999)
	month, okM := fixed(s[5:7], 1, 12)
	day, okD := fixed(s[8:10], 1, 31)
	if !okY || !okM || !okD || day > daysIn(year, month) {
		return 0, false
	}
	date := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if s = s[10:]; s == "" {
		return float64(date.UnixMilli()), true
	}
	if len(s) < 10 || s[0] != 'T' || s[3] != ':' || s[6] != ':' {
		return 0, false
	}
	hour, okH := fixed(s[1:3], 0, 23)
	minute, okM := fixed(s[4:6], 0, 59)
	second, okS := fixed(s[7:9], 0, 59)
	if !okH || !okM || !okS {
		return 0, false
	}
	s = s[9:]
	fraction := 0.0
	if s[0] == '.' {
		n := 1
		for n < len(s) && s[n]-'0' <= 9 {
			n++
		}
		if n == 1 {
			return 0, false
		}
		digits := (s[1:n] + "00")[:3]
		v, err := strconv.Atoi(digits)
		if err != nil {
			return 0, false
		}
		fraction = float64(v)
		s = s[n:]
	}
	offset, ok := parseOffset(s)
	seconds := hour*3600 + minute*60 + second - offset*60
	return float64(date.UnixMilli()) + float64(seconds)*1000 + fraction, ok
}

// parseOffset reads Z, +hh:mm or +hhmm, in minutes.
func parseOffset(s string) (minutes int, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = s[:3] + s[4:]
	}
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, okH := fixed(s[1:3], 0, 23)
	m, okM := fixed(s[3:5], 0, 59)
	if s[0] == '-' {
		h, m = -h, -m
	}
	return h*60 + m, okH && okM
}

// fixed reads digits within bounds.
func fixed(s string, least, most int) (int, bool) {
	n := 0
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, n >= least && n <= most
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

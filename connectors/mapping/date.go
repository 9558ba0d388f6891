package mapping

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// datePicture is a picture of XPath's format-dateTime, analysed
// (XPath and XQuery Functions 3.1, section 9.8.4).
type datePicture []datePart

type datePart struct {
	literal   string
	component byte // 0 for a literal
	names     byte // 'n' lower, 'N' upper, 'T' title, 0 none
	integer   *integerPicture
	digits    int // of the year, -1 for all
	width     int // longest, -1 for any
	z         bool
}

var defaultPresentation = map[byte]string{
	'Y': "1", 'M': "1", 'D': "1", 'd': "1", 'F': "n", 'W': "1", 'w': "1", 'X': "1", 'x': "1", 'H': "1", 'h': "1",
	'P': "n", 'm': "01", 's': "01", 'f': "1", 'Z': "01:01", 'z': "01:01", 'C': "n", 'E': "n",
}

// parseDatePicture analyses a picture; rare ones it leaves to the official
// evaluator.
func parseDatePicture(picture string) (datePicture, *Error) {
	var parts datePicture
	literal := func(text string) {
		if text != "" {
			parts = append(parts, datePart{literal: strings.ReplaceAll(text, "]]", "]")})
		}
	}
	for picture != "" {
		open := strings.IndexByte(picture, '[')
		if open < 0 {
			literal(picture)
			break
		}
		literal(picture[:open])
		picture = picture[open:]
		if strings.HasPrefix(picture, "[[") {
			parts = append(parts, datePart{literal: "["})
			picture = picture[2:]
			continue
		}
		end := strings.IndexByte(picture, ']')
		if end < 0 {
			return nil, &Error{Code: "D3135", Message: "No matching closing bracket ']' in date/time picture string"}
		}
		part, err := parseDatePart(strings.Join(strings.Fields(picture[1:end]), ""))
		if err != nil {
			return nil, err
		}
		if n := len(parts); part.integer != nil && n > 0 && parts[n-1].integer != nil {
			parts[n-1].integer.width = parts[n-1].integer.mandatory
		}
		parts = append(parts, part)
		picture = picture[end+1:]
	}
	return parts, nil
}

func parseDatePart(marker string) (datePart, *Error) {
	if marker == "" || !isASCII(marker) {
		return datePart{}, giveUp
	}
	p := datePart{component: marker[0], digits: -1, width: -1}
	presentation := marker[1:]
	least := -1
	if comma := strings.LastIndexByte(marker, ','); comma > 0 {
		from, to, _ := strings.Cut(marker[comma+1:], "-")
		var ok, okTo bool
		least, ok = parseWidth(from)
		p.width, okTo = parseWidth(to)
		if !ok || !okTo {
			return p, giveUp
		}
		presentation = marker[1:comma]
	}
	var second byte
	if n := len(presentation); n > 1 && strings.IndexByte("atco", presentation[n-1]) >= 0 {
		second = presentation[n-1]
		presentation = presentation[:n-1]
	} else if n == 0 {
		var ok bool
		if presentation, ok = defaultPresentation[p.component]; !ok {
			e := &Error{Code: "D3132", value: marker[:1]}
			return p, e.stating("Unknown component specifier {{value}} in date/time picture string")
		}
	}
	if _, ok := defaultPresentation[p.component]; !ok {
		return p, giveUp
	}
	p.z = second == 't'
	switch {
	case presentation[0] == 'n':
		p.names = 'n'
	case strings.HasPrefix(presentation, "Nn"):
		p.names = 'T'
	case presentation[0] == 'N':
		p.names = 'N'
	case strings.IndexByte("YMDdFWwXxHhmsf", p.component) >= 0:
		pattern := presentation
		if second != 0 {
			pattern += ";" + string(second)
		}
		integer, err := parseIntegerPicture(pattern)
		if err != nil {
			return p, err
		}
		p.integer = integer
		p.widen(least)
	}
	if p.component == 'Z' || p.component == 'z' {
		integer, err := parseIntegerPicture(presentation)
		if err != nil {
			return p, err
		}
		p.integer = integer
	}
	return p, nil
}

func parseWidth(s string) (int, bool) {
	if s == "" || s == "*" {
		return -1, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0
}

func (p *datePart) widen(least int) {
	if p.integer.primary == '1' && p.integer.mandatory < least {
		p.integer.mandatory = least
	}
	if p.component != 'Y' {
		return
	}
	if p.width >= 0 {
		p.digits = p.width
		p.integer.mandatory = p.width
	} else if w := p.integer.mandatory + p.integer.optional; w >= 2 && p.integer.primary == '1' {
		p.digits = w
	}
}

var (
	dayNames   = []string{"", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	monthNames = []string{"", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
)

const millisPerDay = 24 * 60 * 60 * 1000

// firstWeek is the start of the first week of a year or month, the one with
// its first Thursday, as a day since the epoch.
func firstWeek(year int, month time.Month) int {
	first := days(year, month, 1)
	weekday := int(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Weekday())
	if weekday == 0 {
		weekday = 7
	}
	if weekday > 4 {
		return first + 8 - weekday
	}
	return first - weekday + 1
}

func days(year int, month time.Month, day int) int {
	return int(math.Floor(float64(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).UnixMilli()) / millisPerDay))
}

// dateFragment is the official getDateTimeFragment, for numbers.
func dateFragment(t time.Time, component byte) int {
	year, month, day := t.Date()
	today := days(year, month, day)
	weekOf := func(start, following, preceding int, longest int) int {
		week := floorDiv(today-start, 7) + 1
		// A week of the next year or month begins on the spot.
		if float64(today-start)/7+1 > float64(longest) {
			if today >= following {
				return 1
			}
		} else if today < start {
			return floorDiv(today-preceding, 7) + 1
		}
		return week
	}
	switch component {
	case 'Y':
		return year
	case 'M':
		return int(month)
	case 'D':
		return day
	case 'd':
		return t.YearDay()
	case 'F':
		if t.Weekday() == time.Sunday {
			return 7
		}
		return int(t.Weekday())
	case 'W':
		return weekOf(firstWeek(year, 1), firstWeek(year+1, 1), firstWeek(year-1, 1), 52)
	case 'w':
		return weekOf(firstWeek(year, month), firstWeek(year, month+1), firstWeek(year, month-1), 4)
	case 'X':
		switch {
		case today < firstWeek(year, 1):
			return year - 1
		case today >= firstWeek(year+1, 1):
			return year + 1
		}
		return year
	case 'x':
		switch {
		case today < firstWeek(year, month):
			return (int(month)+10)%12 + 1
		case today >= firstWeek(year, month+1):
			return int(month)%12 + 1
		}
		return int(month)
	case 'H':
		return t.Hour()
	case 'h':
		if h := t.Hour() % 12; h > 0 {
			return h
		}
		return 12
	case 'm':
		return t.Minute()
	case 's':
		return t.Second()
	case 'f':
		return t.Nanosecond() / 1e6
	}
	return 0
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// formatDate writes a time given as milliseconds. zone is like "+0100".
func formatDate(s *state, millis float64, picture datePicture, zone string) (string, *Error) {
	hours, minutes := 0, 0
	if zone != "" {
		offset, ok := parseIntPrefix(zone)
		if !ok || offset > 9999 || offset < -9999 {
			return "", giveUp
		}
		hours, minutes = floorDiv(offset, 100), offset%100
	}
	millis += float64((60*hours + minutes) * 60 * 1000)
	if millis != math.Trunc(millis) || math.Abs(millis) > 2e14 {
		return "", giveUp
	}
	t := time.UnixMilli(int64(millis)).UTC()
	if t.Year() < 1 {
		return "", giveUp
	}
	var b strings.Builder
	for i := range picture {
		p := &picture[i]
		if p.component == 0 {
			b.WriteString(p.literal)
			continue
		}
		text, err := p.format(s, t, hours, minutes)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (p *datePart) format(s *state, t time.Time, hours, minutes int) (string, *Error) {
	switch p.component {
	case 'Z', 'z':
		return p.zone(s, hours, minutes)
	case 'P':
		text := "am"
		if t.Hour() >= 12 {
			text = "pm"
		}
		if p.names == 'N' {
			text = strings.ToUpper(text)
		}
		return text, nil
	case 'C', 'E':
		return "ISO", nil
	}
	n := dateFragment(t, p.component)
	if p.component == 'Y' && p.digits >= 0 {
		n %= int(math.Pow10(min(p.digits, 18)))
	}
	if p.names == 0 || p.component == 'f' {
		if p.integer == nil {
			return "", giveUp
		}
		return p.integer.format(s, float64(n))
	}
	var name string
	switch p.component {
	case 'M', 'x':
		name = monthNames[n]
	case 'F':
		name = dayNames[n]
	default:
		e := &Error{Code: "D3133", value: string(p.component)}
		return "", e.stating("The 'name' modifier can only be applied to months and days in the date/time picture string, not {{value}}")
	}
	switch p.names {
	case 'N':
		name = strings.ToUpper(name)
	case 'n':
		name = strings.ToLower(name)
	}
	if p.width >= 0 && len(name) > p.width {
		name = name[:p.width]
	}
	return name, nil
}

func (p *datePart) zone(s *state, hours, minutes int) (string, *Error) {
	offset := hours*100 + minutes
	var text string
	var err *Error
	switch n := p.integer.mandatory; {
	case p.integer.primary != '1':
		return "", giveUp
	case p.integer.regular > 0:
		text, err = p.integer.format(s, float64(offset))
	case n <= 2:
		if text, err = p.integer.format(s, float64(hours)); err == nil && minutes != 0 {
			text += ":" + twoDigits(minutes)
		}
	case n <= 4:
		text, err = p.integer.format(s, float64(offset))
	default:
		return "", &Error{Code: "D3134", Message: "The timezone integer format specifier cannot have more than four digits"}
	}
	if err != nil {
		return "", err
	}
	if offset >= 0 {
		text = "+" + text
	}
	if p.component == 'z' {
		text = "GMT" + text
	}
	if offset == 0 && p.z {
		text = "Z"
	}
	return text, nil
}

func twoDigits(n int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	if n < 10 {
		return sign + "0" + strconv.Itoa(n)
	}
	return sign + strconv.Itoa(n)
}

// parseIntPrefix is JavaScript's parseInt of what starts with digits.
func parseIntPrefix(s string) (int, bool) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "+")
	end := 0
	if strings.HasPrefix(s, "-") {
		end = 1
	}
	for end < len(s) && s[end]-'0' <= 9 {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	return n, err == nil
}

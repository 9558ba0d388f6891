package mapping

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parseDate is the official parseDateTime, for pictures of plain ASCII with
// digits and names. Others, and errors, are left to the official evaluator.
func parseDate(s *state, text, picture string) (any, *Error) {
	if !isASCII(picture) || !isASCII(text) {
		return nil, giveUp
	}
	parts, err := parseDatePicture(picture)
	if err != nil {
		return nil, giveUp
	}
	var pattern strings.Builder
	pattern.WriteString("(?i)^")
	for i := range parts {
		source, err := parts[i].pattern()
		if err != nil {
			return nil, err
		}
		pattern.WriteString("(" + source + ")")
	}
	pattern.WriteString("$")
	re, reErr := regexp.Compile(pattern.String())
	if reErr != nil {
		return nil, giveUp
	}
	found := re.FindStringSubmatch(text)
	if found == nil {
		return undefined, nil
	}
	read := dateComponents{}
	for i := range parts {
		if parts[i].component == 0 {
			continue
		}
		v, ok := parts[i].parse(found[i+1])
		if !ok {
			return nil, giveUp
		}
		read[parts[i].component] = v
	}
	if len(read) == 0 {
		return undefined, nil
	}
	return read.millis(time.UnixMilli(int64(s.ev.millis())).UTC())
}

// pattern is the regular expression of a part.
func (p *datePart) pattern() (string, *Error) {
	switch {
	case p.component == 0:
		return regexp.QuoteMeta(p.literal), nil
	case p.component == 'Z' || p.component == 'z':
		if p.integer.primary != '1' || p.integer.zero != '0' {
			return "", giveUp
		}
		source := "[-+][0-9]+"
		if p.component == 'z' {
			source = "GMT" + source
		}
		if p.integer.regular > 0 {
			source += regexp.QuoteMeta(p.integer.groups[0].char) + "[0-9]+"
		}
		return source, nil
	case p.component == 'f':
		return "[0-9]+", nil
	case p.integer != nil:
		n := p.integer
		if n.primary != '1' || n.zero != '0' || len(n.groups) > 0 || n.width > 100 {
			return "", giveUp
		}
		source := "[0-9]+"
		if n.width > 0 {
			source = "[0-9]{" + strconv.Itoa(n.width) + "}"
		}
		if n.ordinal {
			source += "(?:th|st|nd|rd)"
		}
		return source, nil
	case p.names != 0 && strings.IndexByte("MxFP", p.component) >= 0:
		return "[a-zA-Z]+", nil
	}
	return "", giveUp
}

// parse reads what the pattern has matched.
func (p *datePart) parse(text string) (float64, bool) {
	switch {
	case p.component == 'Z' || p.component == 'z':
		return p.parseZone(strings.TrimPrefix(strings.ToUpper(text), "GMT"))
	case p.component == 'f':
		v, err := strconv.ParseFloat("0."+text[:min(3, len(text))], 64)
		return v * 1000, err == nil
	case p.integer != nil:
		if p.integer.ordinal {
			text = text[:len(text)-2]
		}
		v, err := strconv.ParseFloat(text, 64)
		return v, err == nil && v < 1e7
	case p.component == 'P':
		switch text {
		case "am", "AM":
			return 0, true
		case "pm", "PM":
			return 1, true
		}
		return 0, false
	}
	names := monthNames
	if p.component == 'F' {
		names = dayNames
	}
	for i, name := range names {
		if p.width > 0 {
			name = name[:min(p.width, len(name))]
		}
		if i > 0 && name == text {
			return float64(i), true
		}
	}
	return 0, false
}

// parseZone returns minutes. As in the official evaluator those behind a
// separator are always added.
func (p *datePart) parseZone(text string) (float64, bool) {
	hours, minutes := text, ""
	if p.integer.regular > 0 {
		hours, minutes, _ = strings.Cut(text, p.integer.groups[0].char)
	} else if len(text) > 3 {
		hours, minutes = text[:3], text[3:]
	}
	h, err := strconv.ParseFloat(hours, 64)
	if err != nil {
		return 0, false
	}
	m := 0.0
	if minutes != "" {
		if m, err = strconv.ParseFloat(minutes, 64); err != nil {
			return 0, false
		}
	}
	return h*60 + m, true
}

// dateComponents are the values a picture has given, by component.
type dateComponents map[byte]float64

// masks of components, as the official evaluator has them.
const (
	dateYMD  = 161
	dateYd   = 130
	dateXxwF = 84
	dateXWF  = 72
	timeHms  = 23
	timePhms = 47
)

func (c dateComponents) mask(order string) int {
	mask := 0
	for i := range len(order) {
		mask <<= 1
		if c[order[i]] != 0 {
			mask++
		}
	}
	return mask
}

// millis completes the components and makes a time of them. What is missing
// on the left is that of now, on the right the least.
func (c dateComponents) millis(now time.Time) (any, *Error) {
	is := func(kind, mask int) bool { return ^kind&mask == 0 && kind&mask != 0 }
	date, clock := c.mask("YXMxWwdD"), c.mask("PHhmsf")
	dayOfYear := !is(dateYMD, date) && is(dateYd, date)
	twelve := !is(timeHms, clock) && is(timePhms, clock)
	order := "YMD"
	switch {
	case dayOfYear:
		order = "YD"
	case is(dateXxwF, date), is(dateXWF, date):
		return nil, giveUp
	}
	if twelve {
		order += "Phmsf"
	} else {
		order += "Hmsf"
	}
	started, ended := false, false
	for i := range len(order) {
		part := order[i]
		if _, ok := c[part]; ok {
			if ended {
				return nil, giveUp // D3136
			}
			started = true
			continue
		}
		switch {
		case !started && part == 'P':
			return nil, giveUp
		case !started:
			c[part] = float64(dateFragment(now, part))
		default:
			ended = true
			c[part] = 0
			if part == 'M' || part == 'D' {
				c[part] = 1
			}
		}
	}
	month := max(int(c['M'])-1, 0)
	year, day := int(c['Y']), int(c['D'])
	if year >= 0 && year <= 99 {
		year += 1900 // as Date.UTC
	}
	if dayOfYear {
		month, day = 0, int(c['d'])
	}
	hour := int(c['H'])
	if twelve {
		hour = int(c['h']) % 12
		if int(c['h']) != 12 {
			hour = int(c['h'])
		}
		if c['P'] == 1 {
			hour += 12
		}
	}
	t := time.Date(year, time.Month(month+1), day, hour, int(c['m']), int(c['s']), 0, time.UTC)
	zone := c['Z']
	if zone == 0 {
		zone = c['z']
	}
	return float64(t.UnixMilli()) + math.Trunc(c['f']) - zone*60*1000, nil
}

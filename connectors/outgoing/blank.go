package outgoing

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const blanked = "•••"

// spellings lists the secrets as they travel, longest first: a secret within a secret goes last.
func spellings(secrets []string) []string {
	var all []string
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted, _ := json.Marshal(s)
		all = append(all,
			s, url.QueryEscape(s), url.PathEscape(s), string(quoted[1:len(quoted)-1]),
			base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)))
	}
	slices.SortStableFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// Blank replaces the secrets in a text, in the spellings they travel in.
func Blank(text string, secrets []string) string {
	for _, s := range spellings(secrets) {
		text = strings.ReplaceAll(text, s, blanked)
	}
	return text
}

// leastSecret is how long a secret is at least that is looked for in answers: a shorter one would be found everywhere in
// data that has nothing to do with it.
const leastSecret = 6

// withoutSecrets blanks the secrets in an answer that becomes an output. What is JSON stays JSON.
func withoutSecrets(a Answer, secrets []string) Answer {
	long := slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < leastSecret })
	var found []string
	for _, s := range spellings(long) {
		if bytes.Contains(a.Body, []byte(s)) || inHeader(a.Header, s) {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return a
	}
	clean := a
	clean.Header = make(http.Header, len(a.Header))
	for name, values := range a.Header {
		for _, v := range values {
			for _, s := range found {
				v = strings.ReplaceAll(v, s, blanked)
			}
			clean.Header.Add(name, v)
		}
	}
	for _, s := range found {
		clean.Body = bytes.ReplaceAll(clean.Body, []byte(s), []byte(blanked))
	}
	if json.Valid(a.Body) && !json.Valid(clean.Body) {
		// A secret of digits stood in a number. Texts alone are blanked then.
		clean.Body = blankTexts(a.Body, found)
	}
	return clean
}

func inHeader(h http.Header, s string) bool {
	for _, values := range h {
		for _, v := range values {
			if strings.Contains(v, s) {
				return true
			}
		}
	}
	return false
}

func blankTexts(body []byte, found []string) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return body
	}
	return encoded(blankValue(v, found))
}

func blankValue(v any, found []string) any {
	switch v := v.(type) {
	case string:
		for _, s := range found {
			v = strings.ReplaceAll(v, s, blanked)
		}
		return v
	case json.Number:
		if slices.Contains(found, v.String()) {
			return blanked
		}
	case []any:
		for i := range v {
			v[i] = blankValue(v[i], found)
		}
	case map[string]any:
		clean := make(map[string]any, len(v))
		for name, value := range v {
			clean[blankValue(name, found).(string)] = blankValue(value, found)
		}
		return clean
	}
	return v
}

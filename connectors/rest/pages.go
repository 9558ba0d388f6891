package rest

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"sluice/connectors/outgoing"
)

// Page reads an answer whose body is a list, or an object with the list under a key, and whose Link header (RFC 8288)
// leads to the next page by a query parameter: {"items": […], "next": "2"}. The last page has no next.
func Page(key, parameter string) func(outgoing.Answer) (json.RawMessage, error) {
	return func(a outgoing.Answer) (json.RawMessage, error) {
		items, err := body(a)
		if err != nil {
			return nil, err
		}
		if key != "" {
			var holder map[string]json.RawMessage
			if json.Unmarshal(items, &holder) != nil || holder[key] == nil {
				return nil, errors.New("the list is missing")
			}
			items = holder[key]
		}
		return encode(struct {
			Items json.RawMessage `json:"items"`
			Next  string          `json:"next,omitempty"`
		}{items, next(a.Header.Values("Link"), parameter)})
	}
}

// next is the parameter of the link whose relation is next.
func next(links []string, parameter string) string {
	for link := range strings.SplitSeq(strings.Join(links, ","), ",") {
		target, attributes, _ := strings.Cut(link, ";")
		target = strings.TrimSpace(target)
		if !strings.Contains(attributes, `rel="next"`) || !strings.HasPrefix(target, "<") || !strings.HasSuffix(target, ">") {
			continue
		}
		if u, err := url.Parse(target[1 : len(target)-1]); err == nil {
			return u.Query().Get(parameter)
		}
	}
	return ""
}

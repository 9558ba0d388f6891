package console

import (
	"encoding/json"
	"errors"
	"strings"

	"sluice/connectors/mapping"
)

// matches reports whether an If-Match allows a change of what has a revision.
func matches(ifMatch string, revision int64) bool {
	return ifMatch == "" || ifMatch == "*" || strings.TrimPrefix(ifMatch, "W/") == etag(revision)
}

var errNoDocument = errors.New("there is no document")

// editable is a flow's document to be changed: its keys keep their order, its
// numbers their digits.
func editable(document json.RawMessage) (*mapping.Object, error) {
	v, err := mapping.Decode(document)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*mapping.Object)
	if !ok {
		return nil, errNoDocument
	}
	return o, nil
}

// renamed is a flow's document under another ID and name.
func renamed(document json.RawMessage, id, name string) (json.RawMessage, error) {
	o, err := editable(document)
	if err != nil {
		return nil, err
	}
	o.Set("id", id)
	o.Set("name", name)
	return mapping.Encode(o)
}

// withSample is a flow's document with a sample of its trigger or one of its
// steps; found is false when it has no such step.
func withSample(document json.RawMessage, step string, sample []byte) (out json.RawMessage, found bool, err error) {
	o, err := editable(document)
	if err != nil {
		return nil, false, err
	}
	data, err := mapping.Decode(sample)
	if err != nil {
		return nil, false, err
	}
	if step == triggerSample {
		if trigger, _ := o.Get("trigger"); trigger != nil {
			if t, ok := trigger.(*mapping.Object); ok {
				t.Set("sample", data)
				found = true
			}
		}
	} else {
		steps, _ := o.Get("steps")
		list, _ := steps.([]any)
		for _, item := range list {
			if s, ok := item.(*mapping.Object); ok {
				if id, _ := s.Get("id"); id == step {
					s.Set("sample", data)
					found = true
				}
			}
		}
	}
	out, err = mapping.Encode(o)
	return out, found, err
}

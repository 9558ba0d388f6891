package schemas

import "testing"

func TestADedupeKeyHoldsAnOrderKeyOnlyWhereThatIsCertain(t *testing.T) {
	const order = ` body.customer `
	for dedupe, want := range map[string]bool{
		`body.customer`: true,
		`{"order": body.customer, "event": body.id}`:       true,
		`{'order':body.customer,"event": body.items[0]}`:   true,
		`{"order": body.customer}`:                         true,
		`body.id`:                                          false,
		`[body.customer, body.id]`:                         false, // an absent customer is left out of it
		`{"order": body.customer.id, "event": body.id}`:    false,
		`{"order": body.customer & "x", "event": body.id}`: false,
		`{"order": body.customer}.event & {"e": body.id}`:  false,
		`{"order": body.customer, "event": 1}["event"]`:    false,
		`{"event": body.id, "order": body.customer}`:       false, // it may be, and is not looked into
		`{"a": {"order": body.customer}, "b": 1}`:          false,
		`{body.customer: body.customer, "b": 1}`:           false,
		`{"order": body.customer, "b": {"c": 1}}`:          false,
		`{"order"}`: false,
		`{}`:        false,
		``:          false,
	} {
		if have := holdsKey(dedupe, order); have != want {
			t.Errorf("%s holds %s: %v, want %v", dedupe, order, have, want)
		}
	}
}

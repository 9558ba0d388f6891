package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
)

// clientStates checks that every notification of Microsoft Graph carries the
// clientState that the subscription was made with (Microsoft Graph, "Receive
// change notifications through webhooks").
func clientStates(p *Proof) error {
	list, err := child(p.whole, "value")
	if err != nil {
		return &Unproven{ReasonSignatureMissing, "the body has no list of notifications under value, once"}
	}
	var notifications []json.RawMessage
	if err := json.Unmarshal(list, &notifications); err != nil || len(notifications) == 0 {
		return &Unproven{ReasonSignatureMissing, "the body's value is not a list with notifications"}
	}
	right := 1
	for _, notification := range notifications {
		raw, err := child(notification, "clientState")
		var state string
		if err != nil || len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &state) != nil {
			return &Unproven{ReasonSignatureMissing, "a notification has no clientState, or more than one"}
		}
		one := 0
		sum := sha256.Sum256([]byte(state))
		for i := range p.v.keys {
			want := sha256.Sum256(p.v.keys[i].raw)
			one |= subtle.ConstantTimeCompare(sum[:], want[:])
		}
		right &= one
	}
	if right != 1 {
		return &Unproven{ReasonSignature, "a notification's clientState is not the subscription's"}
	}
	return nil
}

package schemas

import (
	"encoding/json"
	"strings"
)

// shards wants hooks that belong together on one shard: those in one order, and
// the deliveries of one event.
func (c *checker) shards() {
	flow := c.d.Flow
	if flow.Shards <= 1 {
		return
	}
	by, order := flow.OrderBy()
	switch {
	case by == "flow":
		c.add(path{}.member("shards"), "order: flow is one line for the whole flow, and shards are worked on at the same time",
			"order by a key, such as `order: {key: =body.customer}`, so that only what has the same key waits for one another; or leave shards or order out")
		return
	case by != "key" || flow.Dedupe == nil:
		return
	}
	credentialType := ""
	if types, ok := c.c.(CredentialTypes); ok {
		credentialType, _ = types.CredentialType(flow.Trigger.Credential)
	}
	dedupe, ok := flow.Dedupe.KeyExpression(credentialType)
	if order = strings.TrimPrefix(order, "="); !ok || holdsKey(dedupe, order) {
		return // without a key it is said elsewhere
	}
	p := path{}.member("dedupe")
	if flow.Dedupe.Key != "" {
		p = p.member("key")
	}
	order, dedupe = strings.TrimSpace(order), strings.TrimSpace(dedupe)
	both, _ := json.Marshal(`={"order": ` + order + `, "event": ` + dedupe + `}`) // text: cannot fail
	c.add(p, "the key of order says which shard a hook goes to, and this key does not hold it: two deliveries of one event could come to two shards, and run twice",
		"write the key of order into it: "+c.d.in.write("key", string(both))+"; or use one key for both; or leave shards, order or dedupe out")
}

// holdsKey reports whether two hooks with the same dedupe key are certain to
// have the same order key: the expressions are the same, or that of dedupe
// makes an object whose first member is that of order, as in
// {"order": body.customer, "event": body.id}. All that stands behind it is in
// the object if no further brace comes before the last character, because both
// expressions are known to be right. An array would not do: JSONata leaves out
// what is absent, so that [a, b] without a is [a, b] without b.
func holdsKey(dedupe, order string) bool {
	dedupe, order = strings.TrimSpace(dedupe), strings.TrimSpace(order)
	if dedupe == order {
		return true
	}
	rest, isObject := strings.CutPrefix(dedupe, "{")
	rest, ended := strings.CutSuffix(rest, "}")
	if !isObject || !ended {
		return false
	}
	rest = strings.TrimSpace(rest)
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return false
	}
	name, rest, ok := strings.Cut(rest[1:], rest[:1])
	rest, colon := strings.CutPrefix(strings.TrimSpace(rest), ":")
	if !ok || !colon || strings.ContainsAny(name, `\{}`) {
		return false
	}
	rest, same := strings.CutPrefix(strings.TrimSpace(rest), order)
	rest = strings.TrimSpace(rest)
	return same && (rest == "" || rest[0] == ',') && !strings.ContainsAny(rest, "{}")
}

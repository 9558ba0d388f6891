package main

import (
	"fmt"
	"strings"
)

// flowKind is a flow of every scenario, with what is expected of it.
type flowKind struct {
	name     string
	settings string
	// share is how many hooks it gets of every hundred of relay's.
	share   int
	steps   func(f flowKind, s site) string
	ordered bool // its hooks are done one after the other, by key
	deduped bool // of the deliveries of an event one runs
	once    bool // onUnknown is fail: no effect of it is ever repeated
	replies bool // the sender waits for the flow's own answer
	inner   bool // another flow calls it, no sender does
	large   int  // bytes that its bodies have beside the rest
	hangs   bool // its destination hangs; it is played in calm scenarios alone
}

// site is where a scenario's flows are, and whom they call.
type site struct {
	prefix      string // of the flows' IDs
	destination string
	hanging     string // another destination, which answers nobody
}

func (s site) id(f flowKind) string { return s.prefix + f.name }

// concurrency is each flow's: how many effects of it can be in flight.
const concurrency = 50

var flows = []flowKind{
	{name: "relay", share: 100, steps: twoCalls},
	{name: "lane", share: 60, settings: "order: {key: =body.order}\n", ordered: true, steps: twoCalls},
	{name: "once", share: 40, settings: "dedupe: {key: =body.n, window: 1h}\n", deduped: true, steps: twoCalls},
	{name: "hot", share: 40, settings: "shards: 4\norder: {key: =body.order}\ndedupe: {key: '={\"order\": body.order, \"event\": body.n}', window: 1h}\n", ordered: true, deduped: true, steps: twoCalls},
	{name: "graph", share: 30, steps: wholeGraph},
	{name: "inner", inner: true, steps: oneCall},
	{name: "pay", share: 30, once: true, steps: payment},
	{name: "ask", share: 20, replies: true, steps: anAnswer},
	{name: "large", share: 5, large: 300 << 10, steps: oneLargeCall},
}

var hangingFlow = flowKind{name: "hang", share: 100, hangs: true, steps: func(f flowKind, s site) string {
	s.destination = s.hanging
	return oneCall(f, s)
}}

// patient is the retry policy of the calls: nothing a scenario does outlasts it.
const patient = "{attempts: 200, initial: 100ms, factor: 1.5, max: 1s, maxAge: 20m, on: [network, timeout, 408, 429, 5xx]}"

// call is a step that sends to the destination.
func call(f flowKind, s site, id, rest, body string) string {
	return fmt.Sprintf("  - {id: %s, uses: webhook/send, timeout: 5s, retry: %s, %sinput: {url: %q, body: '=%s'}}\n",
		id, patient, rest, s.destination+"/?flow="+f.name+"&step="+id, body)
}

func oneCall(f flowKind, s site) string { return call(f, s, "first", "", `{"n": body.n}`) }

func twoCalls(f flowKind, s site) string {
	return call(f, s, "first", "", `{"n": body.n}`) + call(f, s, "second", "", `{"n": body.n, "after": steps.first.status}`)
}

// payment is a call whose effect must not be repeated: its destination is
// asked again only after it has said no.
func payment(f flowKind, s site) string {
	step := strings.Replace(call(f, s, "first", "", `{"n": body.n}`), "on: [network, timeout, 408, 429, 5xx]", "on: [429, 5xx]", 1)
	return strings.Replace(step, "timeout: 5s", "timeout: 5s, onUnknown: fail", 1)
}

func anAnswer(f flowKind, s site) string {
	return oneCall(f, s) + "  - {id: tell, uses: webhook/reply, input: {status: 200, body: '={\"n\": body.n}'}}\n"
}

func oneLargeCall(f flowKind, s site) string {
	return call(f, s, "first", "", `{"n": body.n, "size": $length(body.pad)}`)
}

// wholeGraph has each, router, join, wait for a callback, delay and a called
// flow. The destination calls the URL that the first step gives it.
func wholeGraph(f flowKind, s site) string {
	return call(f, s, "first", "", `{"n": body.n, "callback": callbacks.answer}`) +
		call(f, s, "tell", "after: [first], each: '=[0, 1, 2]', concurrency: 2, ", `{"n": body.n, "item": item}`) +
		call(f, s, "even", "after: [first], when: '=body.n % 2 = 0', ", `{"n": body.n}`) +
		call(f, s, "odd", "after: [first], otherwise: true, ", `{"n": body.n}`) +
		fmt.Sprintf("  - {id: sub, uses: flow/call, after: [first], input: {flow: %sinner, body: {n: =body.n}}}\n", s.prefix) +
		"  - {id: answer, uses: webhook/wait, after: [first], input: {timeout: 30m}}\n" +
		"  - {id: nap, uses: flow/delay, after: [first], input: {for: 200ms}}\n" +
		call(f, s, "last", "after: [tell, even, odd, sub, answer, nap], ", `{"n": body.n, "called": steps.answer.body.n, "told": $count(steps.tell)}`)
}

// document is the flow as it is applied.
func (f flowKind) document(s site) string {
	return fmt.Sprintf("kind: Flow\nid: %s\nconcurrency: %d\n%strigger: {uses: webhook/receive}\nsteps:\n", s.id(f), concurrency, f.settings) + f.steps(f, s)
}

// hooks is how many events of the flow a scenario has.
func (f flowKind) hooks(scale int) int {
	if f.inner {
		return 0
	}
	return max(scale*f.share/100, 2)
}

// timed: its executions begin when their hooks come, whatever else there is of it.
func (f flowKind) timed() bool { return !f.deduped && !f.ordered && !f.inner && !f.hangs }

// deliveries is how often the sender delivers a hook: some of the events of a
// deduped flow come ten times at once.
func (f flowKind) deliveries(n int) int {
	if f.deduped && n%5 == 0 {
		return 10
	}
	return 1
}

package ingest

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"sluice/schemas"
)

var (
	noCallback       = &refusal{status: 404, reason: ReasonNotFound, detail: "nothing waits for a callback here"}
	callbackTooLarge = &refusal{status: 413, reason: ReasonTooLarge, detail: "a callback's body may have 262144 bytes"}
)

// callbackPatience is how long a caller waits until the runner has decided
// whether its callback is the first. After that it gets 202: the callback is
// kept, and decided later.
const callbackPatience = 5 * time.Second

// callback answers ANY /callback/TOKEN: a step of an execution waits for it, or
// will. The token says for which one, so that any edge can answer; whether it is
// the first call, only the runner that has the execution can say. So the
// callback is appended beside the hooks, and its caller is answered what the
// runner decides: 200, or 410 where the step was called before or its time is
// over.
func (e *Edge) callback(c *fiber.Ctx) error {
	r := request{http: c.Context(), began: c.Context().Time()}
	r.id = schemas.NewExecutionID(r.began, 0)
	r.idText = r.id.String()
	refusal := e.takeCallback(&r)
	e.letGo(&r)
	if refusal != nil {
		e.refuse(&r, refusal)
	}
	reason := ReasonCallback
	if refusal != nil {
		reason = refusal.reason
	}
	e.metrics.finished(reason, r.http.Response.StatusCode(), time.Since(r.began), len(r.body))
	return nil
}

func (e *Edge) takeCallback(r *request) *refusal {
	token := bytes.TrimPrefix(r.http.URI().PathOriginal(), []byte(schemas.CallbackPath))
	if e.options.Tokens == nil {
		return noCallback
	}
	cb, ok := schemas.ReadCallback(e.options.Tokens, string(token))
	if !ok || cb.Execution.Partition() >= e.options.Partitions || cb.Lane != "hooks" && cb.Lane != "replays" {
		return noCallback
	}
	if r.http.IsHead() {
		return flowRuns // a look at a link is no callback
	}
	var credential *schemas.CredentialEntry
	var secret map[string]string
	if cb.Credential != "" {
		if credential = e.options.Catalog.Credential(cb.Credential); credential != nil {
			secret = e.options.Catalog.Secret(cb.Credential)
		}
	}
	lock := newLock(cb.Credential, credential, secret, e.options.site())
	if no := lock.beforeBody(r.http, r.began); no != nil {
		return no
	}
	body, size, no := e.beginning(r, schemas.MaxCallback)
	switch {
	case no != nil:
		return no
	case size > schemas.MaxCallback:
		return callbackTooLarge
	}
	r.body = body
	if no := lock.afterBody(r.http, body, r.began); no != nil {
		return no
	}
	h := &schemas.Hook{
		ID: cb.Execution, Kind: schemas.KindCallback, Flow: cb.Flow, Step: cb.Step, Request: r.id, Time: r.began.UTC(),
		Method: string(r.http.Method()), Query: string(lock.withoutKey(r.http.URI().QueryString())), // the path holds the token
		ContentType: string(r.http.Request.Header.ContentType()), Body: body, Headers: map[string]string{},
		Control: e.options.Catalog.Offset(), ReplyTo: string(e.replies.place),
	}
	kept, _ := lock.keptHeaders(&r.http.Request.Header, nil, nil)
	for _, header := range kept {
		name, value := string(header.name), string(header.value)
		if before, ok := h.Headers[name]; ok {
			value = before + ", " + value
		}
		h.Headers[name] = value
	}
	h.Key = cb.Key
	h, err := e.options.Keys.SealHook(h)
	if err != nil {
		if errors.Is(err, schemas.ErrErased) {
			return noCallback
		}
		e.log.Error("keeping a callback", "execution", cb.Execution.String(), "error", err)
		return unavailable
	}
	record, err := h.Record()
	if err != nil {
		e.log.Error("keeping a callback", "execution", cb.Execution.String(), "error", err)
		return unavailable
	}
	record.Topic = e.options.Topics.Prefix + cb.Lane
	waiter := e.replies.expect(r.id)
	defer e.replies.forget(r.id)
	ctx, cancel := context.WithTimeout(context.Background(), e.options.DeliveryTimeout+answerMargin)
	defer cancel()
	if err := e.producer.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		e.log.Warn("keeping a callback", "execution", cb.Execution.String(), "error", err)
		return unavailable
	}
	timer := time.NewTimer(callbackPatience)
	defer timer.Stop()
	select {
	case reply := <-waiter:
		e.writeReply(r.http, r.idText, reply)
		return nil
	case <-timer.C:
	case <-e.replies.ended:
	}
	response := &r.http.Response
	response.SetStatusCode(fiber.StatusAccepted)
	response.Header.Set(fiber.HeaderXRequestID, r.idText)
	response.Header.SetContentType("application/json")
	response.AppendBodyString(`{"requestId":"` + r.idText + `","message":"accepted"}`)
	return nil
}

package run

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sluice/connectors/mapping"
	"sluice/schemas"
)

func TestEveryProvidersDeliveryIDCanBeEvaluated(t *testing.T) {
	engine := mapping.New(mapping.Limits{})
	for _, preset := range schemas.DeliveryPresets() {
		text, _ := schemas.DeliveryID(preset)
		expression, err := engine.Compile(text)
		if err != nil {
			t.Errorf("%s: %v", preset, err)
			continue
		}
		// Every place that an ID may be at, with another value each.
		names := []string{"x-request-uuid", "x-github-delivery", "idempotency-key", "webhook-id", "linear-delivery", "x-shopify-webhook-id", "svix-id",
			"i-twilio-idempotency-token", "twitch-eventsub-message-id", "x-wc-webhook-delivery-id", "x-zendesk-webhook-invocation-id"}
		headers := map[string]string{}
		for _, n := range names {
			headers[n] = "id of " + n
		}
		h := &schemas.Hook{Method: "POST", ContentType: "application/json", Headers: headers,
			Body: []byte(`{"id":"a","event_id":"b","event-data":{"id":"c"}}`)}
		value, defined, err := expression.Evaluate(t.Context(), (&loadedHook{Hook: h}).view(false), mapping.Eval{Now: time.Now()})
		if id, ok := value.(string); err != nil || !defined || !ok || id == "" {
			t.Errorf("%s: %v, %v, %v", preset, value, defined, err)
		}
	}
}

// TestADeliveryIsKnownByItsProvidersID: by the type of the trigger's credential,
// and by a preset's name.
func TestADeliveryIsKnownByItsProvidersID(t *testing.T) {
	r := newRig(t)
	r.catalog.change(schemas.Change{Type: schemas.CredentialSaved, Credential: &schemas.Credential{ID: "hub", Uses: "webhook", Type: "github"}})
	for id, dedupe := range map[string]string{"credential": `{}`, "preset": `{"preset":"github"}`} {
		doc := fmt.Sprintf(`{"kind":"Flow","id":%q,"trigger":{"uses":"webhook/receive","credential":"hub"},"dedupe":%s,"steps":[{"id":"one","uses":"test/effect"}]}`, id, dedupe)
		r.catalog.change(schemas.Change{Type: schemas.FlowPublished, Flow: id, Document: json.RawMessage(doc)})
		r.catalog.change(schemas.Change{Type: schemas.FlowStarted, Flow: id})
	}
	r.start("a")
	for _, flow := range []string{"credential", "preset"} {
		for _, delivery := range []string{"1", "1", "2", "1", ""} {
			now := time.Now()
			h := schemas.Hook{ID: schemas.NewExecutionID(now, schemas.PartitionOf(flow, rigPartitions)), Kind: schemas.KindHook, Flow: flow, Time: now,
				Method: "POST", ContentType: "application/json", Body: []byte(`{}`), Control: r.catalog.Offset(), Headers: map[string]string{"x-github-delivery": delivery}}
			if delivery == "" {
				h.Headers = nil
			}
			r.append(&h)
		}
	}
	h := r.ended(10)
	if s, d := h.count(succeeded), h.count(duplicate); s != 6 || d != 4 {
		t.Errorf("%d succeeded and %d are duplicates, want 6 and 4", s, d)
	}
}

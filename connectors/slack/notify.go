package slack

import (
	"context"
	"encoding/json"
	"net/http"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// notify posts to an incoming webhook. Slack answers it with the text ok, or 4xx and a word such as no_text.
func notify() connectors.Component {
	return connectors.Component{
		Name: "slack/notify", Title: "Notify a channel", Summary: "Posts to the channel of an incoming webhook.",
		Effect: connectors.Neither, NeedsCredential: true,
		Input:  json.RawMessage(`{` + head + `"properties": {` + message + `}}`),
		Output: json.RawMessage(`{"type": "object", "required": ["ok"], "properties": {"ok": {"const": true}}}`),
		Sample: func() json.RawMessage { return json.RawMessage(`{"ok": true}`) },
		Do:     post,
	}
}

func post(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "notifying the channel"
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(call.Input, &fields); err != nil {
		return connectors.Result{}, connectors.BadInput("%s: the input must be an object", doing)
	}
	if _, err := saysSomething(fields); err != nil {
		return connectors.Result{}, connectors.BadInput("%s: %v", doing, err)
	}
	address := call.Credential.Value("url")
	if address == "" {
		return connectors.Result{}, connectors.BadCredential("%s: the credential has no webhook URL: choose one of the type webhook", doing)
	}
	target, err := outgoing.ParseURL(address)
	if err != nil {
		return connectors.Result{}, connectors.BadCredential("%s: webhook URL: %v", doing, err)
	}
	answer, err := outgoing.Send(ctx, env.HTTP, outgoing.Request{
		Doing: doing, Method: http.MethodPost, URL: target, Body: call.Input,
		Header:  http.Header{"Content-Type": {"application/json"}},
		Secrets: []string{address, target.Path, target.EscapedPath()},
	})
	if err != nil {
		return connectors.Result{HTTPStatus: answer.Status}, err
	}
	return connectors.Result{HTTPStatus: answer.Status, Output: json.RawMessage(`{"ok":true}`)}, nil
}

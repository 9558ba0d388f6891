package greeter

import (
	"encoding/json"
	"testing"

	"sluice/connectors"
	"sluice/connectors/conntest"
)

func values(target string) map[string]string {
	return map[string]string{"token": "s3cret-token", "baseUrl": target}
}

func credential(target string) *connectors.Credential {
	return &connectors.Credential{Type: "token", Values: values(target)}
}

func TestContract(t *testing.T) {
	conntest.Run(t, Connector(), conntest.Options{
		Good: map[string]func(string) map[string]string{"token": values},
		Cases: map[string]conntest.Case{
			"greeter/greet": {
				Input:  func(string) json.RawMessage { return json.RawMessage(`{"to": 12345678901234567890, "language": "de"}`) },
				Digits: "12345678901234567890",
				Bad:    []json.RawMessage{[]byte(`{}`), []byte(`{"to": ""}`), []byte(`{"to": "a", "tone": "warm"}`)},
				Credentials: func(target string) []*connectors.Credential {
					return []*connectors.Credential{credential(target)}
				},
				Answer:       conntest.JSON(201, `{"id": 98765432109876543210, "text": "Guten Morgen"}`),
				AnswerDigits: "98765432109876543210",
			},
		},
		Choices: map[string]map[string]conntest.Choices{
			"greeter/greet": {"language": {
				Ask: func(target string) connectors.ChoicesCall {
					return connectors.ChoicesCall{Credential: credential(target)}
				},
				Answer:  conntest.JSON(200, `{"languages": [{"code": "de", "name": "German"}]}`),
				Secrets: []string{"s3cret-token"},
			}},
		},
	})
}

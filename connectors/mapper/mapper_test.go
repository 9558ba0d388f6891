package mapper

import (
	"encoding/json"
	"testing"

	"sluice/connectors"
	"sluice/connectors/conntest"
)

func TestContract(t *testing.T) {
	conntest.Run(t, Connector(), conntest.Options{Pure: map[string]json.RawMessage{"mapper/map": []byte(`{"a": 1}`)}})
}

func TestEveryDigitIsKept(t *testing.T) {
	input := `{"id": 12345678901234567890123, "price": 1.10, "none": null}`
	result, err := Connector().Components[0].Do(t.Context(), connectors.Env{}, connectors.Call{Input: json.RawMessage(input)})
	if err != nil || string(result.Output) != input {
		t.Errorf("%s, %v", result.Output, err)
	}
}

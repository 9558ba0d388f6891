package console

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"sluice/schemas"
)

func (c *Console) registerRotation(api huma.API) {
	rotate := op("rotate-credential", http.MethodPost, "/credentials/{id}/rotate", "Give a credential a new secret; the one it had stays valid beside it", "credentials", 404, 409, 412, 422, 503)
	rotate.Description = "Send {\"values\": {…}} with the secret values alone. Hooks signed with either secret are accepted until " +
		"DELETE /credentials/{id}/previous, or the next rotation."
	huma.Register(api, rotate, c.rotate)
	documented(api, http.MethodPost, "/credentials/{id}/rotate", &huma.Schema{Type: huma.TypeObject,
		Properties: map[string]*huma.Schema{"values": credentialSchema.Properties["values"]}, Required: []string{"values"}}, mediaJSON)
	finish := op("finish-rotation", http.MethodDelete, "/credentials/{id}/previous", "End a rotation: the previous secret is no longer valid", "credentials", 404, 412, 503)
	huma.Register(api, finish, c.finishRotation)
}

const previousPrefix = "previous"

// previous is what a value's predecessor is called: secret, previousSecret.
func previous(name string) string {
	r := []rune(name)
	r[0] = unicode.ToUpper(r[0])
	return previousPrefix + string(r)
}

// rotated are a credential's values with new ones; what they replace is kept
// where the type has a place for it. kept is false when it has none.
func rotated(have, fresh map[string]string, known func(name string) bool) (values map[string]string, kept bool) {
	values = maps.Clone(have)
	if values == nil {
		values = map[string]string{}
	}
	for name, value := range fresh {
		if old := have[name]; old != "" && old != value && known(previous(name)) {
			values[previous(name)] = old
			kept = true
		}
		values[name] = value
	}
	return values, kept
}

// rotating reports whether two secrets are valid at once.
func rotating(values map[string]string) bool {
	for name, value := range values {
		if strings.HasPrefix(name, previousPrefix) && value != "" {
			return true
		}
	}
	return false
}

func (c *Console) rotate(ctx context.Context, in *credentialChange) (*credentialOutput, error) {
	body, err := readCredential(in.RawBody)
	if err != nil {
		return nil, err
	}
	if len(body.Values) == 0 {
		return nil, problem(http.StatusUnprocessableEntity, `send {"values": {"secret": "…"}}`, "there is no new secret")
	}
	for name := range body.Values {
		if name == "" || strings.HasPrefix(name, previousPrefix) {
			return nil, problem(http.StatusUnprocessableEntity, "send the new values alone; those they replace are kept by themselves", "a value of a rotation has the name %q", name)
		}
	}
	return c.changeValues(ctx, in.ID, in.IfMatch, func(e *schemas.CredentialEntry, have map[string]string) (map[string]string, error) {
		values, kept := rotated(have, body.Values, c.valueNames(e))
		if !kept {
			return nil, problem(http.StatusConflict, "send another secret, or change the credential by PUT /api/v1/credentials/"+e.ID,
				"nothing would be valid at once: the secret is the same, or credentials of type %s have one only", e.Type)
		}
		return values, nil
	})
}

// valueNames reports which values a credential's type lists.
func (c *Console) valueNames(e *schemas.CredentialEntry) func(name string) bool {
	var listed struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if connector, ok := c.opts.Components.Connector(e.Uses); ok {
		if kind, ok := connector.CredentialType(e.Type); ok {
			_ = json.Unmarshal(kind.Schema, &listed) // checked when the connectors were
		}
	}
	return func(name string) bool { return listed.Properties[name] != nil }
}

func (c *Console) finishRotation(ctx context.Context, in *finishInput) (*credentialOutput, error) {
	return c.changeValues(ctx, in.ID, in.IfMatch, func(_ *schemas.CredentialEntry, have map[string]string) (map[string]string, error) {
		values := maps.Clone(have)
		maps.DeleteFunc(values, func(name, _ string) bool { return strings.HasPrefix(name, previousPrefix) })
		return values, nil
	})
}

type finishInput struct {
	ID      string `path:"id" doc:"The credential's ID"`
	IfMatch string `header:"If-Match" doc:"The ETag that the change is based on; without it the last writer wins"`
}

// changeValues replaces a credential's values and leaves the rest as it is.
func (c *Console) changeValues(ctx context.Context, id, ifMatch string, change func(*schemas.CredentialEntry, map[string]string) (map[string]string, error)) (*credentialOutput, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	e, err := c.findCredential(id)
	if err != nil {
		return nil, err
	}
	if !matches(ifMatch, e.Revision) {
		p := problem(http.StatusPreconditionFailed, "read it again and repeat the change", "credential %s was changed since: its ETag is %s now", e.ID, etag(e.Revision))
		p.Revision = e.Revision
		return nil, p
	}
	values, err := change(e, c.opts.Control.Secret(e.ID))
	if err != nil {
		return nil, err
	}
	if err := c.checkValues(&credentialBody{Uses: e.Uses, Type: e.Type, Values: values}); err != nil {
		return nil, err
	}
	if err := c.saveCredential(ctx, e.Credential, values, e.Revision); err != nil {
		return nil, err
	}
	e = c.opts.Control.Credential(e.ID)
	return &credentialOutput{Status: http.StatusOK, ETag: etag(e.Revision), Body: c.credential(e)}, nil
}

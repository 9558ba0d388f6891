package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/connectors"
	"sluice/schemas"
)

// verifyTimeout is how long a credential's verification may take.
const verifyTimeout = 30 * time.Second

// Credential is a credential as the API shows it: never with its values.
type Credential struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Uses     string `json:"uses" doc:"The connector"`
	Type     string `json:"type"`
	Revision int64  `json:"revision"`
	// Verified is when it was last verified with success.
	Verified  *time.Time `json:"verified" doc:"Null: it was saved without being verified"`
	Rotating  bool       `json:"rotating" doc:"Whether the previous secret is valid beside the new one"`
	UsedBy    []string   `json:"usedBy" nullable:"false" doc:"IDs of the flows that name it, in a draft or a published version"`
	CreatedAt time.Time  `json:"createdAt"`
	ChangedAt time.Time  `json:"changedAt"`
	// OAuth says how the authorization stands, for types that have one.
	OAuth *Authorization `json:"oauth,omitempty"`
}

// credentialBody is what a client sends. It is read by hand, so that no
// validator's error can quote a value.
type credentialBody struct {
	Kind   string            `json:"kind"`
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Uses   string            `json:"uses"`
	Type   string            `json:"type"`
	Values map[string]string `json:"values"`
}

var credentialSchema = &huma.Schema{Type: huma.TypeObject, Title: "Credential", Properties: map[string]*huma.Schema{
	"id":     {Type: huma.TypeString, Description: "Made when absent"},
	"name":   {Type: huma.TypeString},
	"uses":   {Type: huma.TypeString, Description: "The connector"},
	"type":   {Type: huma.TypeString, Description: "One of the connector's credential types"},
	"values": {Type: huma.TypeObject, AdditionalProperties: &huma.Schema{Type: huma.TypeString}, WriteOnly: true},
}, Required: []string{"uses", "type"}}

type credentialInput struct {
	ID string `path:"id" doc:"The credential's ID"`
}

type credentialWrite struct {
	RawBody []byte `contentType:"application/octet-stream"`
}

type credentialChange struct {
	ID      string `path:"id" doc:"The credential's ID"`
	IfMatch string `header:"If-Match" doc:"The ETag that the change is based on; without it the last writer wins"`
	RawBody []byte `contentType:"application/octet-stream"`
}

type credentialOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     *Credential
}

func (c *Console) registerCredentials(api huma.API) {
	huma.Register(api, op("list-credentials", http.MethodGet, "/credentials", "List credentials, without their values", "credentials"), c.listCredentials)
	create := op("create-credential", http.MethodPost, "/credentials", "Create a credential", "credentials", 409, 422, 503)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, c.createCredential)
	huma.Register(api, op("get-credential", http.MethodGet, "/credentials/{id}", "Show a credential, without its values", "credentials", 404), c.getCredential)
	huma.Register(api, op("save-credential", http.MethodPut, "/credentials/{id}", "Change a credential; without values it keeps its own", "credentials", 404, 412, 422, 503), c.changeCredential)
	remove := op("delete-credential", http.MethodDelete, "/credentials/{id}", "Delete a credential that no running flow uses", "credentials", 404, 409, 503)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(api, remove, c.deleteCredential)
	huma.Register(api, op("verify-credential", http.MethodPost, "/credentials/verify", "Ask the system whether a credential is good, for at most 30 s", "credentials", 404, 422), c.verifyCredential)
	huma.Register(api, op("authorize-credential", http.MethodPost, "/credentials/{id}/authorize", "Begin an OAuth 2 authorization: where to send the person", "credentials", 404, 422), c.authorize)
	c.registerRotation(api)
	documented(api, http.MethodPost, "/credentials", credentialSchema, mediaJSON)
	documented(api, http.MethodPut, "/credentials/{id}", credentialSchema, mediaJSON)
	documented(api, http.MethodPost, "/credentials/verify", &huma.Schema{Type: huma.TypeObject, Properties: credentialSchema.Properties,
		Description: "Either the id of a saved credential, or uses, type and values; the id with values verifies those before they are saved."}, mediaJSON)
}

func (c *Console) credential(e *schemas.CredentialEntry) *Credential {
	out := &Credential{
		ID: e.ID, Name: e.Name, Uses: e.Uses, Type: e.Type, Revision: e.Revision,
		UsedBy: []string{}, Rotating: rotating(c.opts.Control.Secret(e.ID)), CreatedAt: e.CreatedAt, ChangedAt: e.ChangedAt,
	}
	if !e.Verified.IsZero() {
		out.Verified = &e.Verified
	}
	out.OAuth = c.authorization(e)
	for _, f := range c.opts.Control.Flows() {
		if usedBy(f, e.ID, true) {
			out.UsedBy = append(out.UsedBy, f.ID)
		}
	}
	return out
}

// usedBy reports whether a flow's published version, or its draft, names a credential.
func usedBy(f *schemas.FlowEntry, credential string, draft bool) bool {
	if v := f.Published(); v != nil && slices.Contains(uses(v.Flow), credential) {
		return true
	}
	var document schemas.Flow
	return draft && f.Draft != nil && json.Unmarshal(f.Draft, &document) == nil && slices.Contains(uses(&document), credential)
}

type credentialList struct {
	Body struct {
		Items []*Credential `json:"items" nullable:"false"`
	}
}

func (c *Console) listCredentials(context.Context, *struct{}) (*credentialList, error) {
	out := &credentialList{}
	out.Body.Items = []*Credential{}
	for _, e := range c.opts.Control.Credentials() {
		out.Body.Items = append(out.Body.Items, c.credential(e))
	}
	return out, nil
}

func (c *Console) findCredential(id string) (*schemas.CredentialEntry, error) {
	if e := c.opts.Control.Credential(id); e != nil {
		return e, nil
	}
	return nil, problem(http.StatusNotFound, "GET /api/v1/credentials lists those there are", "there is no credential %q", id)
}

func (c *Console) getCredential(_ context.Context, in *credentialInput) (*credentialOutput, error) {
	e, err := c.findCredential(in.ID)
	if err != nil {
		return nil, err
	}
	return &credentialOutput{Status: http.StatusOK, ETag: etag(e.Revision), Body: c.credential(e)}, nil
}

func readCredential(raw []byte) (*credentialBody, error) {
	body := new(credentialBody)
	if err := json.Unmarshal(raw, body); err != nil {
		// encoding/json's error may quote what was sent.
		return nil, problem(http.StatusUnprocessableEntity, `send {"uses": "…", "type": "…", "values": {"name": "text"}}`, "the body is not a credential in JSON; every value is a text")
	}
	if body.Kind != "" && body.Kind != "Credential" {
		return nil, problem(http.StatusUnprocessableEntity, "send a document of kind Credential", "the document's kind is another")
	}
	return body, nil
}

var credentialID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// checkValues refuses a credential whose type or values are wrong.
func (c *Console) checkValues(body *credentialBody) error {
	err := c.checks().CheckCredential(body.Uses, body.Type, body.Values)
	if err == nil {
		return nil
	}
	faults, ok := errors.AsType[schemas.InputFaults](err)
	if !ok {
		return problem(http.StatusUnprocessableEntity, "GET /api/v1/components lists connectors and their credential types", "%v", err)
	}
	problems := make(schemas.Problems, len(faults))
	for i, f := range faults {
		problems[i] = schemas.Problem{Line: 1, Column: 1, Path: "values" + f.Pointer, Message: strings.TrimPrefix(f.Pointer, "/") + ": " + f.Message, Remedy: f.Remedy}
	}
	return wrongDocument(problems)
}

func (c *Console) createCredential(ctx context.Context, in *credentialWrite) (*credentialOutput, error) {
	body, err := readCredential(in.RawBody)
	if err != nil {
		return nil, err
	}
	if body.ID == "" {
		body.ID = schemas.NewFlowID()
	}
	if !credentialID.MatchString(body.ID) {
		return nil, problem(http.StatusUnprocessableEntity, "use letters, digits, - and _, at most 64", "the id is not one that can stand in a URL")
	}
	if err := c.checkValues(body); err != nil {
		return nil, err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.opts.Control.Credential(body.ID) != nil {
		return nil, problem(http.StatusConflict, "change it by PUT /api/v1/credentials/"+body.ID, "there is a credential %q already", body.ID)
	}
	if body.Values == nil {
		body.Values = map[string]string{}
	}
	if err := c.saveCredential(ctx, schemas.Credential{ID: body.ID, Name: body.Name, Uses: body.Uses, Type: body.Type}, body.Values, 0); err != nil {
		return nil, err
	}
	e := c.opts.Control.Credential(body.ID)
	return &credentialOutput{Status: http.StatusCreated, ETag: etag(e.Revision), Location: "/api/v1/credentials/" + e.ID, Body: c.credential(e)}, nil
}

// saveCredential stores the values, if any are given, and then what may be
// known of the credential, so that no process sees one without its values.
func (c *Console) saveCredential(ctx context.Context, credential schemas.Credential, values map[string]string, revision int64) error {
	if values != nil {
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		if err := c.opts.Control.SaveSecret(limited, credential.ID, values); err != nil {
			return c.kafkaError(err)
		}
	}
	return c.append(ctx, schemas.Change{Type: schemas.CredentialSaved, Credential: &credential, Expect: revision})
}

func (c *Console) changeCredential(ctx context.Context, in *credentialChange) (*credentialOutput, error) {
	body, err := readCredential(in.RawBody)
	if err != nil {
		return nil, err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	e, err := c.findCredential(in.ID)
	if err != nil {
		return nil, err
	}
	if !matches(in.IfMatch, e.Revision) {
		return nil, problem(http.StatusPreconditionFailed, "read it again and repeat the change", "credential %s was changed since: its ETag is %s now", e.ID, etag(e.Revision))
	}
	changed := e.Credential
	if body.ID != "" && body.ID != e.ID {
		return nil, problem(http.StatusUnprocessableEntity, "leave the id out", "the body is of credential %q, not of %q", body.ID, e.ID)
	}
	if body.Uses != "" && body.Uses != e.Uses {
		return nil, problem(http.StatusConflict, "create another credential", "credential %s is for %s: that cannot be changed", e.ID, e.Uses)
	}
	changed.Name = body.Name
	if body.Type != "" && body.Type != e.Type {
		if body.Values == nil {
			return nil, problem(http.StatusUnprocessableEntity, "send the values that the new type wants", "another type wants other values")
		}
		changed.Type = body.Type
	}
	if body.Values != nil {
		body.Uses, body.Type = changed.Uses, changed.Type
		if err := c.checkValues(body); err != nil {
			return nil, err
		}
		changed.Verified = time.Time{}
	}
	if err := c.saveCredential(ctx, changed, body.Values, e.Revision); err != nil {
		return nil, err
	}
	e = c.opts.Control.Credential(e.ID)
	return &credentialOutput{Status: http.StatusOK, ETag: etag(e.Revision), Body: c.credential(e)}, nil
}

func (c *Console) deleteCredential(ctx context.Context, in *credentialInput) (*struct{}, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	e, err := c.findCredential(in.ID)
	if err != nil {
		return nil, err
	}
	var running []string
	for _, f := range c.opts.Control.Flows() {
		if f.State != schemas.Stopped && usedBy(f, e.ID, false) {
			running = append(running, f.ID)
		}
	}
	if len(running) > 0 {
		p := problem(http.StatusConflict, "stop them first, or give them another credential", "credential %s is used by running flows: %s", e.ID, strings.Join(running, ", "))
		p.UsedBy = running
		return nil, p
	}
	if err := c.append(ctx, schemas.Change{Type: schemas.CredentialDeleted, Credential: &schemas.Credential{ID: e.ID}, Expect: e.Revision}); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := c.opts.Control.DeleteSecret(limited, e.ID); err != nil {
		return nil, c.kafkaError(err)
	}
	return nil, nil
}

// Verification is what became of verifying a credential.
type Verification struct {
	Verified bool `json:"verified"`
	// Supported is false when the system cannot be asked.
	Supported bool   `json:"supported"`
	Reason    string `json:"reason,omitempty" doc:"Why it is not verified"`
}

type verifyOutput struct{ Body Verification }

// verifyCredential ends early when the client goes away.
func (c *Console) verifyCredential(ctx context.Context, in *credentialWrite) (*verifyOutput, error) {
	body, err := readCredential(in.RawBody)
	if err != nil {
		return nil, err
	}
	var saved *schemas.CredentialEntry
	if body.Values == nil && body.ID != "" {
		if saved, err = c.findCredential(body.ID); err != nil {
			return nil, err
		}
		body.Uses, body.Type, body.Values = saved.Uses, saved.Type, c.opts.Control.Secret(saved.ID)
	}
	if err := c.checkValues(body); err != nil {
		return nil, err
	}
	connector, _ := c.opts.Components.Connector(body.Uses)
	kind, _ := connector.CredentialType(body.Type) // both exist: checkValues found them
	if kind.Verify == nil {
		return &verifyOutput{Verification{Reason: connector.Title + " offers no way to verify this type"}}, nil
	}
	limited, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	out := &verifyOutput{Verification{Supported: true}}
	values := kind.Defaults(body.Values)
	if kind.OAuth != nil && saved != nil {
		values, err = c.opts.OAuth.Values(limited, saved.ID, kind, values)
	} else {
		values, err = c.opts.OAuth.Once(limited, kind, values)
	}
	if err == nil {
		err = kind.Verify(limited, c.opts.Env, values)
	}
	if err != nil {
		out.Body.Reason = connectors.AsError(err).Message
		if errors.Is(limited.Err(), context.DeadlineExceeded) {
			out.Body.Reason = "no answer within 30 s"
		}
		return out, nil
	}
	out.Body.Verified = true
	if saved != nil {
		changed := saved.Credential
		changed.Verified = time.Now().UTC()
		// A conflict means that it was changed meanwhile: then this says nothing of it.
		if err := c.append(ctx, schemas.Change{Type: schemas.CredentialSaved, Credential: &changed, Expect: saved.Revision}); err != nil {
			c.log.Info("noting that a credential was verified", "credential", saved.ID, "error", err)
		}
	}
	return out, nil
}

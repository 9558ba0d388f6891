package console

import (
	"strings"
	"testing"
)

const petsYAML = `kind: Flow
id: pets
name: Pets from a webhook
trigger:
  uses: webhook/receive
  sample: {petname: Gromit, serial: 12345678901234567890.10}
steps:
  - id: shape
    uses: mapper/map
    input: {name: =body.petname}
`

func TestAFlowGoesThroughItsStates(t *testing.T) {
	s := newServer(t, nil)
	a := s.must(201, "POST", "/api/v1/flows", petsYAML, "Content-Type", "application/yaml")
	for name, want := range map[string]any{"id": "pets", "name": "Pets from a webhook", "state": "stopped", "version": 0, "hasDraft": true,
		"hookUrl": "https://hooks.example.com/hook/pets"} {
		equal(t, name, a.json(t, name), want)
	}
	equal(t, "the draft's id", a.json(t, "draft", "id"), "pets")
	equal(t, "Location", a.header.Get("Location"), "/api/v1/flows/pets")
	equal(t, "a number of the sample", a.json(t, "draft", "trigger", "sample", "serial"), "12345678901234567890.10")

	s.must(409, "POST", "/api/v1/flows", petsYAML, "Content-Type", "application/yaml")
	refused := s.must(409, "POST", "/api/v1/flows/pets/start", "")
	if remedy := refused.json(t, "remedy"); !strings.Contains(remedy.(string), "publish it first") {
		t.Errorf("starting what was never published says %v", remedy)
	}
	s.must(409, "POST", "/api/v1/flows/pets/pause", "")

	for _, c := range []struct {
		command, state string
		version        int
	}{
		{"publish", "stopped", 1}, {"publish", "stopped", 1}, {"start", "running", 1}, {"start", "running", 1},
		{"resume", "running", 1}, {"pause", "paused", 1}, {"pause", "paused", 1}, {"resume", "running", 1},
		{"pause", "paused", 1}, {"start", "running", 1}, {"stop", "stopped", 1}, {"stop", "stopped", 1},
	} {
		a := s.must(200, "POST", "/api/v1/flows/pets/"+c.command, "")
		equal(t, "state after "+c.command, a.json(t, "state"), c.state)
		equal(t, "version after "+c.command, a.json(t, "version"), c.version)
	}
	s.must(409, "POST", "/api/v1/flows/pets/resume", "")
	equal(t, "hasDraft", s.must(200, "GET", "/api/v1/flows/pets", "").json(t, "hasDraft"), false)
}

func TestStartingARunningFlowChangesNothing(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply?publish=true&start=true", petsYAML, "Content-Type", "application/yaml")
	before := s.log.Offset()
	a := s.must(200, "POST", "/api/v1/flows/pets/start", "")
	equal(t, "state", a.json(t, "state"), "running")
	equal(t, "changes in the control log", s.log.Offset()-before, 0)
}

func TestADraftIsSavedOnlyOnWhatItWasMadeFrom(t *testing.T) {
	s := newServer(t, nil)
	first := s.must(201, "POST", "/api/v1/flows", petsYAML, "Content-Type", "application/yaml")
	edited := strings.Replace(petsYAML, "Pets from", "Cats from", 1)
	second := s.must(200, "PUT", "/api/v1/flows/pets", edited, "Content-Type", "application/yaml", "If-Match", first.header.Get("ETag"))
	equal(t, "name", second.json(t, "name"), "Cats from a webhook")
	s.must(412, "PUT", "/api/v1/flows/pets", petsYAML, "Content-Type", "application/yaml", "If-Match", first.header.Get("ETag"))
	equal(t, "name after the refusal", s.must(200, "GET", "/api/v1/flows/pets", "").json(t, "name"), "Cats from a webhook")

	same := s.must(200, "PUT", "/api/v1/flows/pets", edited, "Content-Type", "application/yaml")
	equal(t, "ETag after saving the same again", same.header.Get("ETag"), second.header.Get("ETag"))
	s.must(422, "PUT", "/api/v1/flows/pets", strings.Replace(petsYAML, "id: pets", "id: others", 1), "Content-Type", "application/yaml")
	s.must(404, "PUT", "/api/v1/flows/none", petsYAML, "Content-Type", "application/yaml")
}

func TestAWrongDocumentIsRefusedWithItsPlaces(t *testing.T) {
	s := newServer(t, nil)
	wrong := strings.Replace(petsYAML, "uses: mapper/map", "uses: mapper/mop", 1)
	wrong = strings.Replace(wrong, "=body.petname", "=body.(", 1)
	s.must(201, "POST", "/api/v1/flows", wrong, "Content-Type", "application/yaml") // a draft may be unfinished
	a := s.must(422, "POST", "/api/v1/flows/pets/publish", "")
	if message, _ := a.json(t, "problems", 0, "message").(string); !strings.Contains(message, "mapper/mop") {
		t.Errorf("the problem says %q", message)
	}
	if remedy, _ := a.json(t, "problems", 0, "remedy").(string); !strings.Contains(remedy, "mapper/map") {
		t.Errorf("the remedy says %q", remedy)
	}
	equal(t, "the second problem's path", a.json(t, "problems", 1, "path"), "steps/0/input/name")
	equal(t, "version", s.must(200, "GET", "/api/v1/flows/pets", "").json(t, "version"), 0)
	s.must(422, "POST", "/api/v1/flows", "kind: Flow\nsteps: 3\n", "Content-Type", "application/yaml")
	s.must(422, "POST", "/api/v1/flows", "{", "Content-Type", "application/json")
}

func TestOnlyAStoppedFlowIsDeleted(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply?publish=true&start=true", petsYAML, "Content-Type", "application/yaml")
	a := s.must(409, "DELETE", "/api/v1/flows/pets", "")
	if remedy, _ := a.json(t, "remedy").(string); !strings.Contains(remedy, "stop it first") {
		t.Errorf("the remedy says %q", remedy)
	}
	s.must(200, "POST", "/api/v1/flows/pets/stop", "")
	s.must(204, "DELETE", "/api/v1/flows/pets", "")
	s.must(404, "GET", "/api/v1/flows/pets", "")
	s.must(404, "DELETE", "/api/v1/flows/pets", "")
	again := s.must(201, "POST", "/api/v1/flows", petsYAML, "Content-Type", "application/yaml")
	equal(t, "state of the one made anew", again.json(t, "state"), "stopped")
}

func TestVersionsAndSamplesKeepTheirDigits(t *testing.T) {
	s := newServer(t, nil)
	s.must(200, "POST", "/api/v1/apply?publish=true", petsYAML, "Content-Type", "application/yaml")
	s.must(200, "POST", "/api/v1/apply?publish=true", strings.Replace(petsYAML, "Gromit", "Wallace", 1), "Content-Type", "application/yaml")
	list := s.must(200, "GET", "/api/v1/flows/pets/versions", "")
	equal(t, "the newest version", list.json(t, "items", 0, "version"), 2)
	first := s.must(200, "GET", "/api/v1/flows/pets/versions/1", "")
	equal(t, "version 1's sample", first.json(t, "document", "trigger", "sample", "petname"), "Gromit")
	s.must(404, "GET", "/api/v1/flows/pets/versions/3", "")
	samples := s.must(200, "GET", "/api/v1/flows/pets/samples", "")
	equal(t, "the sample's number", samples.json(t, "items", 0, "data", "serial"), "12345678901234567890.10")
}

const applyYAML = `kind: Flow
id: pets
trigger: {uses: webhook/receive, credential: door}
steps:
  - {id: create, uses: petstore/create-pet, credential: store, input: {name: =body.petname}}
---
kind: Credential
id: store
uses: petstore
type: apiKey
values: {apiKey: s3cret-of-the-store}
---
kind: Credential
id: door
uses: webhook
type: basic
values: {username: ann, password: s3cret-of-the-door}
`

func TestApplyingTwiceChangesNothingTheSecondTime(t *testing.T) {
	s := newServer(t, nil)
	first := s.must(200, "POST", "/api/v1/apply?publish=true&start=true", applyYAML, "Content-Type", "application/yaml")
	equal(t, "the flow", first.json(t, "items", 0, "result"), "created")
	equal(t, "its version", first.json(t, "items", 0, "version"), 1)
	equal(t, "its state", first.json(t, "items", 0, "state"), "running")
	equal(t, "the credential", first.json(t, "items", 1, "result"), "created")
	before := s.log.Offset()
	second := s.must(200, "POST", "/api/v1/apply?publish=true&start=true", applyYAML, "Content-Type", "application/yaml")
	for i := range 3 {
		equal(t, "a result of the second apply", second.json(t, "items", i, "result"), "unchanged")
	}
	equal(t, "changes in the control log", s.log.Offset()-before, 0)

	changed := s.must(200, "POST", "/api/v1/apply?publish=true", strings.Replace(applyYAML, "s3cret-of-the-door", "other", 1), "Content-Type", "application/yaml")
	equal(t, "the changed credential", changed.json(t, "items", 2, "result"), "updated")
	equal(t, "the flow's version", changed.json(t, "items", 0, "version"), 1)
	equal(t, "the password", s.log.Secret("door")["password"], "other")
}

func TestNothingIsAppliedWhenOneDocumentIsWrong(t *testing.T) {
	s := newServer(t, nil)
	for name, wrong := range map[string]string{
		"an unknown component":       strings.Replace(applyYAML, "petstore/create-pet", "petstore/create-cat", 1),
		"an unknown credential":      strings.Replace(applyYAML, "credential: store,", "credential: shop,", 1),
		"another's credential":       strings.Replace(applyYAML, "credential: store,", "credential: door,", 1),
		"a credential without a key": strings.Replace(applyYAML, "apiKey: s3cret-of-the-store", "", 1),
		"an unknown type":            strings.Replace(applyYAML, "type: apiKey", "type: oauth", 1),
		"two of one id":              applyYAML + "---\n" + petsYAML,
	} {
		a := s.must(422, "POST", "/api/v1/apply?publish=true&start=true", wrong, "Content-Type", "application/yaml")
		if a.json(t, "problems", 0, "message") == nil {
			t.Errorf("%s: no problem is named in %s", name, a.body)
		}
		if strings.Contains(string(a.body), "s3cret") {
			t.Errorf("%s: a secret is in %s", name, a.body)
		}
	}
	s.must(422, "POST", "/api/v1/apply?start=true", petsYAML, "Content-Type", "application/yaml") // never published
	equal(t, "changes in the control log", s.log.Offset(), 0)
	if s.log.Secret("store") != nil {
		t.Error("a secret was stored")
	}
}

func TestAFlowWithoutAnIDIsFoundByItsName(t *testing.T) {
	s := newServer(t, nil)
	nameless := strings.Replace(petsYAML, "id: pets\n", "", 1)
	first := s.must(200, "POST", "/api/v1/apply?publish=true", nameless, "Content-Type", "application/yaml")
	second := s.must(200, "POST", "/api/v1/apply?publish=true", nameless, "Content-Type", "application/yaml")
	equal(t, "the second apply", second.json(t, "items", 0, "result"), "unchanged")
	equal(t, "its id", second.json(t, "items", 0, "id"), first.json(t, "items", 0, "id"))
	if id, _ := first.json(t, "items", 0, "id").(string); len(id) < 16 {
		t.Errorf("the made id %q can be guessed", id)
	}
	other := s.must(201, "POST", "/api/v1/flows", nameless, "Content-Type", "application/yaml")
	if other.json(t, "id") == first.json(t, "items", 0, "id") {
		t.Error("two flows got one id")
	}
	s.must(422, "POST", "/api/v1/apply", nameless, "Content-Type", "application/yaml") // which of the two?
}

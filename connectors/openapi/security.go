package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// security reads the document's schemes. A document without any says nothing of how its service is reached: then the usual
// ways are offered.
func (r *reader) security() {
	r.schemes, r.combined = map[string][]Scheme{}, map[string]bool{}
	declared := r.resolved(r.resolved(r.root["components"])["securitySchemes"])
	if r.swagger {
		declared = r.resolved(r.root["securityDefinitions"])
	}
	for _, id := range slices.Sorted(maps.Keys(declared)) {
		r.schemes[id] = r.scheme(id, r.resolved(declared[id]))
		for _, s := range r.schemes[id] {
			r.combine([]Scheme{s})
		}
		if len(r.schemes[id]) == 0 {
			r.d.Warnings = append(r.d.Warnings, fmt.Sprintf("the security scheme %s is of a kind that cannot be used (%s)", id, text(r.resolved(declared[id]), "type")))
		}
	}
	if len(declared) == 0 {
		r.open = true
		for _, s := range []Scheme{
			{ID: "bearer", Kind: kindBearer}, {ID: "basic", Kind: kindBasic}, {ID: "apiKey", Kind: kindAPIKey, In: "header"}, {ID: "oauth2", Kind: kindOAuthCode}, {ID: "oauth2-client", Kind: kindOAuthClient},
		} {
			r.combine([]Scheme{s})
		}
	}
	r.d.Types = append(r.d.Types, Type{Name: "none", Title: "No Auth"})
}

// scheme reads one scheme; of OAuth 2 it may be several, one for each flow that can be used.
func (r *reader) scheme(id string, o object) []Scheme {
	s := Scheme{ID: id, Summary: sentence(text(o, "description"))}
	switch text(o, "type") {
	case "apiKey":
		s.Kind, s.In, s.Name = kindAPIKey, text(o, "in"), text(o, "name")
		if s.In != "header" && s.In != "query" && s.In != "cookie" || s.Name == "" {
			return nil
		}
	case "basic":
		s.Kind = kindBasic
	case "http":
		switch strings.ToLower(text(o, "scheme")) {
		case "basic":
			s.Kind = kindBasic
		case "bearer":
			s.Kind = kindBearer
		default:
			return nil
		}
	case "openIdConnect":
		s.Kind = kindBearer // its token is entered: discovery is left to the person
	case "oauth2":
		return r.oauth(s, o)
	default:
		return nil
	}
	return []Scheme{s}
}

func (r *reader) oauth(s Scheme, o object) []Scheme {
	var found []Scheme
	add := func(kind string, flow object) {
		one := s
		one.Kind, one.AuthorizationURL, one.TokenURL = kind, text(flow, "authorizationUrl"), text(flow, "tokenUrl")
		for name, url := range map[string]*string{"authorizationUrl": &one.AuthorizationURL, "tokenUrl": &one.TokenURL} {
			if *url == "" {
				continue
			}
			absolute, err := parseServer(*url, r.d.BaseURL+"/")
			if err != nil {
				r.d.Warnings = append(r.d.Warnings, fmt.Sprintf("the %s of %s is relative: enter it in the credential", name, s.ID))
			}
			*url = absolute
		}
		one.Scopes = slices.Sorted(maps.Keys(r.resolved(flow["scopes"])))
		found = append(found, one)
	}
	flows := r.resolved(o["flows"])
	if r.swagger {
		switch text(o, "flow") {
		case "accessCode":
			flows = object{"authorizationCode": o}
		case "application":
			flows = object{"clientCredentials": o}
		}
	}
	if flow := r.resolved(flows["authorizationCode"]); flow != nil {
		add(kindOAuthCode, flow)
	}
	if flow := r.resolved(flows["clientCredentials"]); flow != nil {
		add(kindOAuthClient, flow)
	}
	// A token that was got elsewhere, by the implicit or the password flow or by hand, is good too.
	token := s
	token.Kind = kindBearer
	return append(found, token)
}

// combine makes a credential type of schemes that go together, once.
func (r *reader) combine(schemes []Scheme) {
	var ids, titles []string
	for _, s := range schemes {
		name := s.ID
		// Several flows of one scheme are several types.
		if len(r.schemes[s.ID]) > 1 && s.Kind != r.schemes[s.ID][0].Kind {
			name += "-" + s.Kind
		}
		ids = append(ids, name)
		titles = append(titles, title(s))
	}
	key := strings.Join(ids, "+")
	if r.combined[key] || len(r.combined) >= maxCombined {
		return
	}
	r.combined[key] = true
	name := kebab(strings.Join(ids, "-and-"))
	for base, i := name, 2; slices.ContainsFunc(r.d.Types, func(t Type) bool { return sameName(t.Name, name) }) || name == "none" || name == ""; i++ {
		name = fmt.Sprintf("%s-%d", or(base, "type"), i)
	}
	r.d.Types = append(r.d.Types, Type{Name: name, Title: strings.Join(titles, " and "), Schemes: schemes})
}

func sameName(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, "-", ""), strings.ReplaceAll(b, "-", ""))
}

func title(s Scheme) string {
	switch s.Kind {
	case kindBasic:
		return "Basic Auth"
	case kindBearer:
		return "Bearer token"
	case kindOAuthCode:
		return "OAuth 2 (a person agrees)"
	case kindOAuthClient:
		return "OAuth 2 (client credentials)"
	}
	if s.Name != "" {
		return "API key (" + s.Name + ")"
	}
	return "API key"
}

// secured says whether an operation needs a credential, or why none can be given.
func (r *reader) secured(o object) (secure bool, reason string) {
	requirements, ok := o["security"].([]any)
	if !ok {
		requirements, _ = r.root["security"].([]any)
	}
	if len(requirements) == 0 || r.open {
		return false, ""
	}
	secure = true
	usable := false
	var missing string
	for _, v := range requirements {
		alternative := r.resolved(v)
		if len(alternative) == 0 {
			return false, "" // none is good enough
		}
		sets := [][]Scheme{nil}
		for _, id := range slices.Sorted(maps.Keys(alternative)) {
			if len(r.schemes[id]) == 0 {
				sets, missing = nil, id
				break
			}
			var grown [][]Scheme
			for _, set := range sets {
				for _, s := range r.schemes[id] {
					if len(alternative) > 1 && (s.Kind == kindOAuthCode || s.Kind == kindOAuthClient) {
						continue // beside others its token is entered
					}
					grown = append(grown, append(slices.Clip(set), s))
				}
			}
			sets = grown[:min(len(grown), maxCombined)]
		}
		for _, set := range sets {
			r.combine(set)
			usable = true
		}
	}
	if !usable {
		return false, fmt.Sprintf("it wants the security scheme %s, which cannot be used here", missing)
	}
	return secure, ""
}

// valueName is the name of a scheme's value: plain where the type has one scheme, and with the scheme's name otherwise.
func (t Type) valueName(i int, value string) string {
	if len(t.Schemes) < 2 {
		return value
	}
	words := strings.Split(kebab(t.Schemes[i].ID)+"-"+value, "-")
	for j := 1; j < len(words); j++ {
		words[j] = strings.ToUpper(words[j][:1]) + words[j][1:]
	}
	return strings.Join(words, "")
}

// schema is that of a type's values.
func (t Type) schema(base string) json.RawMessage {
	properties, needed := object{}, []any{}
	secret := func(title, description string) object {
		o := object{"type": "string", "title": title, "minLength": 1, "format": "password", "writeOnly": true}
		if description != "" {
			o["description"] = description
		}
		return o
	}
	for i, s := range t.Schemes {
		add := func(value string, property object, required bool) {
			name := t.valueName(i, value)
			properties[name] = property
			if required {
				needed = append(needed, name)
			}
		}
		address := func(title, standard string) (object, bool) {
			o := object{"type": "string", "title": title, "pattern": "^https?://", "description": "an address that starts with http:// or https://"}
			if standard != "" {
				o["default"] = standard
			}
			return o, true
		}
		switch s.Kind {
		case kindAPIKey:
			if s.Name == "" {
				add("name", object{"type": "string", "title": "Header", "minLength": 1, "pattern": "^[!#$%&'*+.^_|~0-9A-Za-z-]+$", "description": "the name of the header", "examples": []any{"x-api-key"}}, true)
			}
			add("apiKey", secret(title(s), s.Summary), true)
		case kindBasic:
			add("username", object{"type": "string", "title": "User name", "minLength": 1}, true)
			password := secret("Password", "")
			delete(password, "minLength")
			add("password", password, false)
		case kindBearer:
			add("token", secret("Token", s.Summary), true)
		case kindOAuthCode, kindOAuthClient:
			add("clientId", object{"type": "string", "title": "Client ID", "minLength": 1}, true)
			add("clientSecret", secret("Client secret", ""), s.Kind == kindOAuthClient)
			property, required := address("Token URL", s.TokenURL)
			add("tokenUrl", property, required)
			if s.Kind == kindOAuthCode {
				property, required := address("Authorization URL", s.AuthorizationURL)
				add("authorizationUrl", property, required)
				refresh := secret("Refresh token", "One that was got elsewhere; leave it empty and choose Authorize")
				delete(refresh, "minLength")
				add("refreshToken", refresh, false)
			}
			scope := object{"type": "string", "title": "Scope", "description": "Separated by spaces"}
			if len(s.Scopes) > 0 {
				scope["examples"] = []any{strings.Join(s.Scopes[:min(len(s.Scopes), 3)], " ")}
			}
			add("scope", scope, false)
		}
	}
	baseURL := object{"type": "string", "title": "Base URL", "pattern": "^https?://", "description": "an address that starts with http:// or https://"}
	if base != "" {
		baseURL["default"] = base
	}
	properties["baseUrl"] = baseURL
	schema := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(needed) > 0 {
		schema["required"] = needed
	}
	return jsonText(schema)
}

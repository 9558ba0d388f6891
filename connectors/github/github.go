// Package github is the connector for GitHub's REST API, version 2022-11-28 (docs.github.com/rest).
//
// GitHub limits by 403 or 429: with Retry-After for bursts, with x-ratelimit-remaining: 0 and x-ratelimit-reset for the
// hour. What is wrong with an input stands in the list `errors` of a 422.
package github

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
	"sluice/connectors/rest"
)

// DefaultBaseURL is GitHub's API; an Enterprise Server has it at https://HOST/api/v3.
const DefaultBaseURL = "https://api.github.com"

var api = &rest.API{
	Title:     "GitHub",
	BaseURL:   DefaultBaseURL,
	Header:    map[string]string{"Accept": "application/vnd.github+json", "X-Github-Api-Version": "2022-11-28"},
	Authorize: rest.Bearer("token"),
	Judge:     judge,
}

// Connector returns the github connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name:    "github",
		Title:   "GitHub",
		Summary: "Opens and reads issues, comments, and starts workflows.",
		Credentials: []connectors.CredentialType{{
			Name:    "token",
			Title:   "Access token",
			Summary: "A fine-grained or classic personal access token, or an installation's token.",
			Schema:  rest.TokenSchema("token", "Access token", DefaultBaseURL),
			Verify:  api.Verify("token", "asking GitHub who the token belongs to", "/user"),
		}},
		Components: api.Components(
			rest.Action{
				Name: "github/create-issue", Title: "Create issue", Summary: "Opens an issue in a repository.",
				Effect: connectors.Neither, Method: http.MethodPost, Path: "/repos/{owner}/{repo}/issues", Body: rest.JSON,
				Input: `{` + head + `"required": ["owner", "repo", "title"], "properties": {` + repository + `,
  "title": {"type": "string", "title": "Title", "minLength": 1},
  "body": {"type": "string", "title": "Text", "description": "in Markdown"},
  "labels": {"type": "array", "title": "Labels", "items": {"type": "string"}},
  "assignees": {"type": "array", "title": "Assignees", "items": {"type": "string"}},
  "milestone": {"type": "integer", "title": "Milestone", "description": "its number"}
}}`,
				Output: issue, Sample: sampleIssue,
			},
			rest.Action{
				Name: "github/update-issue", Title: "Update issue", Summary: "Changes, closes or opens an issue again.",
				Effect: connectors.Idempotent, Method: http.MethodPatch, Path: "/repos/{owner}/{repo}/issues/{number}", Body: rest.JSON,
				Input: `{` + head + `"required": ["owner", "repo", "number"], "properties": {` + repository + `, ` + number + `,
  "title": {"type": "string", "title": "Title", "minLength": 1},
  "body": {"type": "string", "title": "Text"},
  "state": {"type": "string", "title": "State", "enum": ["open", "closed"]},
  "state_reason": {"type": "string", "title": "Reason", "enum": ["completed", "not_planned", "duplicate", "reopened"]},
  "labels": {"type": "array", "title": "Labels", "items": {"type": "string"}},
  "assignees": {"type": "array", "title": "Assignees", "items": {"type": "string"}}
}}`,
				Output: issue, Sample: sampleIssue,
			},
			rest.Action{
				Name: "github/get-issue", Title: "Get issue", Summary: "Reads one issue or pull request.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/repos/{owner}/{repo}/issues/{number}",
				Input:  `{` + head + `"required": ["owner", "repo", "number"], "properties": {` + repository + `, ` + number + `}}`,
				Output: issue, Sample: sampleIssue,
			},
			rest.Action{
				Name: "github/list-issues", Title: "List issues", Summary: "Reads a page of a repository's issues.",
				Effect: connectors.Idempotent, Method: http.MethodGet, Path: "/repos/{owner}/{repo}/issues",
				Query: []string{"state", "labels", "since", "per_page", "page"}, Read: rest.Page("", "page"),
				Input: `{` + head + `"required": ["owner", "repo"], "properties": {` + repository + `,
  "state": {"type": "string", "title": "State", "enum": ["open", "closed", "all"]},
  "labels": {"type": "string", "title": "Labels", "description": "names joined by commas"},
  "since": {"type": "string", "title": "Updated since", "format": "date-time"},
  "per_page": {"type": "integer", "title": "Page size", "minimum": 1, "maximum": 100},
  "page": {"type": ["integer", "string"], "title": "Page", "description": "next of the page before", "minimum": 1, "pattern": "^[0-9]+$"}
}}`,
				Output: `{"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "title": "Issues", "items": ` + issue + `}, "next": {"type": "string", "title": "Next page"}}}`,
				Sample: `{"items": [` + sampleIssue + `], "next": "2"}`,
			},
			rest.Action{
				Name: "github/create-comment", Title: "Comment on an issue", Summary: "Adds a comment to an issue or pull request.",
				Effect: connectors.Neither, Method: http.MethodPost, Path: "/repos/{owner}/{repo}/issues/{number}/comments", Body: rest.JSON,
				Input: `{` + head + `"required": ["owner", "repo", "number", "body"], "properties": {` + repository + `, ` + number + `,
  "body": {"type": "string", "title": "Text", "description": "in Markdown", "minLength": 1}
}}`,
				Output: `{"type": "object", "required": ["id"], "properties": {"id": {"type": "integer", "title": "ID"}, "html_url": {"type": "string", "title": "URL"}, "body": {"type": "string", "title": "Text"}}}`,
				Sample: `{"id": 1, "html_url": "https://github.com/octocat/Hello-World/issues/1347#issuecomment-1", "body": "Me too"}`,
			},
			rest.Action{
				Name: "github/dispatch-workflow", Title: "Start a workflow", Summary: "Starts a workflow of GitHub Actions that has the trigger workflow_dispatch.",
				Effect: connectors.Neither, Method: http.MethodPost, Path: "/repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches", Body: rest.JSON,
				Input: `{` + head + `"required": ["owner", "repo", "workflow", "ref"], "properties": {` + repository + `,
  "workflow": {"type": ["string", "integer"], "title": "Workflow", "description": "its file name or ID", "minLength": 1, "examples": ["main.yml"]},
  "ref": {"type": "string", "title": "Branch or tag", "minLength": 1, "examples": ["main"]},
  "inputs": {"type": "object", "title": "Inputs", "description": "at most 25", "maxProperties": 25}
}}`,
				Output: `{"title": "Nothing, or the run that was started"}`,
				Sample: `null`,
			},
		),
	}
}

const (
	head       = `"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false, `
	repository = `
  "owner": {"type": "string", "title": "Owner", "description": "the user or organisation", "minLength": 1, "examples": ["octocat"]},
  "repo": {"type": "string", "title": "Repository", "description": "its name without the owner", "minLength": 1, "pattern": "^[^/]+$", "examples": ["Hello-World"]}`
	number = `
  "number": {"type": "integer", "title": "Number", "description": "of the issue or pull request", "minimum": 1}`
	issue = `{"type": "object", "title": "Issue", "required": ["number"], "properties": {
  "id": {"type": "integer", "title": "ID"}, "number": {"type": "integer", "title": "Number"},
  "title": {"type": "string", "title": "Title"}, "state": {"type": "string", "title": "State"},
  "body": {"type": ["string", "null"], "title": "Text"}, "html_url": {"type": "string", "title": "URL"},
  "user": {"type": ["object", "null"], "title": "Opened by", "properties": {"login": {"type": "string", "title": "Login"}}},
  "labels": {"type": "array", "title": "Labels"}
}}`
	sampleIssue = `{"id": 1, "number": 1347, "title": "Found a bug", "state": "open", "body": "I'm having a problem with this.", "html_url": "https://github.com/octocat/Hello-World/issues/1347", "user": {"login": "octocat"}, "labels": [{"name": "bug"}]}`
)

// unsaid is how long GitHub wants to be left alone where it names no time.
const unsaid = time.Minute

// judge knows GitHub's limits, which come as 403, and the list of what is wrong in a 422.
func judge(a outgoing.Answer, failed *connectors.Error, now time.Time) *connectors.Error {
	if failed == nil {
		return nil
	}
	switch a.Status {
	case http.StatusForbidden, http.StatusTooManyRequests:
		spent := a.Header.Get("X-Ratelimit-Remaining") == "0"
		if !spent && !strings.Contains(failed.Message, "rate limit") {
			return failed
		}
		wait := failed.RetryAfter
		if reset, err := strconv.ParseInt(a.Header.Get("X-Ratelimit-Reset"), 10, 64); err == nil && wait == 0 && spent {
			wait = time.Unix(reset, 0).Sub(now)
		}
		if wait <= 0 {
			wait = unsaid
		}
		return rest.RateLimited(failed, wait)
	case http.StatusUnprocessableEntity:
		var said struct {
			Message string `json:"message"`
			Errors  []struct {
				Resource, Field, Code, Message string
			} `json:"errors"`
		}
		if json.Unmarshal(a.Body, &said) == nil && len(said.Errors) > 0 {
			var places []string
			for _, e := range said.Errors {
				if e.Message != "" {
					places = append(places, e.Message)
				} else {
					places = append(places, strings.TrimSpace(e.Field+" "+strings.ReplaceAll(e.Code, "_", " ")))
				}
			}
			return rest.Refused(failed, said.Message+": "+strings.Join(places, "; "))
		}
	}
	return failed
}

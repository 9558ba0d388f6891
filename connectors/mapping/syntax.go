package mapping

import (
	"encoding/json"
	"fmt"
)

// syntax is a node of the official parser's tree. The names are the parser's.
type syntax struct {
	Type     string          `json:"type"`
	Value    json.RawMessage `json:"value"`
	Position int             `json:"position"`

	Arguments   []*syntax      `json:"arguments"`
	Procedure   *syntax        `json:"procedure"`
	Steps       []*syntax      `json:"steps"`
	Expressions []*syntax      `json:"expressions"`
	Expression  *syntax        `json:"expression"`
	Stages      []*syntaxStage `json:"stages"`
	Predicate   []*syntaxStage `json:"predicate"`
	LHS         *syntax        `json:"lhs"`
	RHS         *syntax        `json:"rhs"`
	Pairs       [][2]*syntax   `json:"pairs"` // lhs of an object constructor
	Condition   *syntax        `json:"condition"`
	Then        *syntax        `json:"then"`
	Else        *syntax        `json:"else"`
	Body        *syntax        `json:"body"`
	Signature   string         `json:"signature"`
	Thunk       bool           `json:"thunk"`
	Group       *syntaxGroup   `json:"group"`
	Terms       []*syntaxTerm  `json:"terms"`
	Pattern     *syntax        `json:"pattern"`
	Update      *syntax        `json:"update"`
	Delete      *syntax        `json:"delete"`

	KeepArray          bool `json:"keepArray"`
	KeepSingletonArray bool `json:"keepSingletonArray"`
	ConsArray          bool `json:"consarray"`

	Tuple    bool        `json:"tuple"`
	Focus    string      `json:"focus"`
	Index    string      `json:"index"`
	Ancestor *syntaxSlot `json:"ancestor"`
	Slot     *syntaxSlot `json:"slot"`
}

type syntaxSlot struct {
	Label string `json:"label"`
}

type syntaxStage struct {
	Type  string          `json:"type"`
	Expr  *syntax         `json:"expr"`
	Value json.RawMessage `json:"value"`
}

type syntaxGroup struct {
	Pairs    [][2]*syntax `json:"pairs"`
	Position int          `json:"position"`
}

type syntaxTerm struct {
	Descending bool    `json:"descending"`
	Expression *syntax `json:"expression"`
}

func parseTree(tree string) (*syntax, error) {
	var s syntax
	if err := json.Unmarshal([]byte(tree), &s); err != nil {
		return nil, fmt.Errorf("reading the syntax tree: %w", err)
	}
	return &s, nil
}

// text is the value of a node as a string: a name, an operator, a literal.
func (s *syntax) text() string { return rawText(s.Value) }

func rawText(raw json.RawMessage) string {
	var text string
	_ = json.Unmarshal(raw, &text)
	return text
}

// walk calls f for s and every node below it.
func (s *syntax) walk(f func(*syntax)) {
	if s == nil {
		return
	}
	f(s)
	for _, list := range [][]*syntax{s.Arguments, s.Steps, s.Expressions,
		{s.Procedure, s.Expression, s.LHS, s.RHS, s.Condition, s.Then, s.Else, s.Body, s.Pattern, s.Update, s.Delete}} {
		for _, x := range list {
			x.walk(f)
		}
	}
	for _, stages := range [][]*syntaxStage{s.Stages, s.Predicate} {
		for _, stage := range stages {
			stage.Expr.walk(f)
		}
	}
	for _, t := range s.Terms {
		t.Expression.walk(f)
	}
	if s.Group != nil {
		walkPairs(s.Group.Pairs, f)
	}
	walkPairs(s.Pairs, f)
}

func walkPairs(pairs [][2]*syntax, f func(*syntax)) {
	for _, p := range pairs {
		p[0].walk(f)
		p[1].walk(f)
	}
}

package schemas

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxProblems ends a search for problems: nobody reads more, and each costs time.
const maxProblems = 100

// Problem is something wrong at one place of a document.
type Problem struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1, in characters
	// Path is a JSON pointer (RFC 6901) without its first slash: steps/1/retry/attempts.
	Path    string `json:"path"`
	Message string `json:"message"` // what is wrong
	Remedy  string `json:"remedy"`  // what would be right
}

// String is FILE:LINE:COLUMN: message; remedy. The file is left out when there is none.
func (p Problem) String() string {
	s := fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
	if p.File != "" {
		s = p.File + ":" + s
	}
	if p.Remedy != "" {
		s += "; " + p.Remedy
	}
	return s
}

// Problems is everything wrong with a file or a document, by place.
type Problems []Problem

// Error has one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

func newProblem(file string, at place, p path, message, remedy string) Problem {
	if len(p) > 0 {
		message = p.String() + ": " + message
	}
	return Problem{File: file, Line: at.line, Column: at.column, Path: p.pointer(), Message: message, Remedy: remedy}
}

// sorted puts the problems in the order of the file, each one once.
func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(p)
}

// closest is the name that was probably meant, or none.
func closest(have string, names []string) string {
	best, distance := "", max(1, min(len(have)/3, 4))+1
	for _, name := range names {
		if strings.EqualFold(have, name) {
			return name
		}
		if d := edits(strings.ToLower(have), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// edits counts the letters to add, drop, change or swap with a neighbour
// (optimal string alignment distance). Long texts are no typing mistakes.
func edits(a, b string) int {
	const far = 1 << 20
	if len(a) > 100 || len(b) > 100 {
		return far
	}
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

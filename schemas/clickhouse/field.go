package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// BodyField is a field of JSON bodies that a search asks for, written
// body.customer.email=ann@example.com. A list's elements are named by their
// index, or all at once by []: body.items[0].sku=A1, body.items[].sku=A1. A
// key with a dot or the like stands in backticks, as in JSONata.
type BodyField struct {
	path  []fieldStep
	value string // of a string itself, of anything else as JSON writes it
}

type fieldStep struct {
	key   string
	index int
	kind  fieldKind
}

type fieldKind int

const (
	fieldKey fieldKind = iota
	fieldIndex
	fieldEach
)

// ParseBodyField reads one. The error says what is wrong with it.
func ParseBodyField(text string) (*BodyField, error) {
	rest, ok := strings.CutPrefix(text, "body")
	if !ok {
		return nil, errors.New("it does not begin with body")
	}
	f := &BodyField{}
	for {
		var step fieldStep
		switch {
		case strings.HasPrefix(rest, "="):
			if len(f.path) == 0 {
				return nil, errors.New("it names no field before the =")
			}
			f.value = rest[1:]
			return f, nil
		case strings.HasPrefix(rest, ".`"):
			key, after, closed := strings.Cut(rest[2:], "`")
			if !closed {
				return nil, errors.New("a backtick is not closed")
			}
			step.key, rest = key, after
		case strings.HasPrefix(rest, "."):
			end := strings.IndexAny(rest[1:], ".[=")
			if end <= 0 {
				return nil, errors.New("a key is missing after a dot, or the = after it")
			}
			step.key, rest = rest[1:1+end], rest[1+end:]
		case strings.HasPrefix(rest, "[]"):
			step.kind, rest = fieldEach, rest[2:]
		case strings.HasPrefix(rest, "["):
			number, after, closed := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(number)
			if !closed || err != nil {
				return nil, errors.New("in brackets is the index of an element, or nothing")
			}
			step.kind, step.index, rest = fieldIndex, n, after
		default:
			return nil, errors.New("after a key comes a dot, a bracket or =")
		}
		f.path = append(f.path, step)
	}
}

// Condition is that of the column body, in SQL, and its arguments. The words of the field go by the
// index; what is found so is read, and compared.
func (f *BodyField) Condition() (string, []any) {
	sql, args := holds("body", f.path, f.value, 0)
	var words []string
	for _, s := range f.path {
		words = append(words, indexedWords(s.key)...)
	}
	words = append(words, indexedWords(f.value)...)
	if len(words) == 0 {
		return sql, args
	}
	return "hasAllTokens(body, ?) AND " + sql, append([]any{strings.Join(words, " ")}, args...)
}

// holds says that some JSON has a value at a path.
func holds(in string, path []fieldStep, value string, depth int) (string, []any) {
	each := slices.IndexFunc(path, func(s fieldStep) bool { return s.kind == fieldEach })
	to := path
	if each >= 0 {
		to = path[:each]
	}
	place, args := in, []any{}
	for _, s := range to {
		place += ", ?"
		switch {
		case s.kind == fieldKey:
			args = append(args, s.key)
		case s.index < 0: // from the end, here and there
			args = append(args, s.index)
		default:
			args = append(args, s.index+1)
		}
	}
	if each < 0 {
		return fmt.Sprintf("if(JSONType(%s) = 'String', JSONExtractString(%[1]s), JSONExtractRaw(%[1]s)) = ?", place),
			append(slices.Concat(args, args, args), value)
	}
	element := fmt.Sprint("e", depth)
	inner, innerArgs := holds(element, path[each+1:], value, depth+1)
	return fmt.Sprintf("arrayExists(%s -> %s, JSONExtractArrayRaw(%s))", element, inner, place), append(innerArgs, args...)
}

// indexedWords are the words of a text that the index has as they are, however
// JSON was written: beside what may be escaped, such as a letter that is not
// ASCII or a quote, stands another word there.
func indexedWords(s string) (words []string) {
	const apart = " -_.:/@,;#()"
	for at := 0; at < len(s); {
		if !isWordByte(s[at]) {
			at++
			continue
		}
		end := at
		for end < len(s) && isWordByte(s[end]) {
			end++
		}
		if (at == 0 || strings.IndexByte(apart, s[at-1]) >= 0) && (end == len(s) || s[end] < 0x80) {
			words = append(words, s[at:end])
		}
		at = end
	}
	return words
}

func isWordByte(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

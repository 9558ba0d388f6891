package local

import (
	"strings"
)

// statement is what has to be known about a text of SQL to run it: found by a
// look at its words, never by rewriting it.
type statement struct {
	// verb is the first word, in upper case.
	verb string
	// head is the text without the data of an insert and its FORMAT clause.
	head string
	// format is the FORMAT clause, empty without one.
	format string
	// data is true for an INSERT whose rows follow in their own format, from
	// dataAt on in the text.
	data   bool
	dataAt int
	// files is true for INTO OUTFILE and FROM INFILE, which a library would
	// carry out on this machine's files.
	files bool
	// settings is true for a SETTINGS clause, at any depth.
	settings bool
	// names are the words and quoted names in front of a parenthesis, and those
	// after APPLY, in lower case: whatever the statement may call.
	names []string
}

// parseStatement reads one statement. Of an INSERT it may be given the
// beginning only, as long as that reaches into the data.
func parseStatement(text string) statement {
	s := statement{head: text}
	var (
		lex   = lexer{text: text}
		depth int
		prev  token
		early token // the one before prev
		sel   bool
		apply bool
	)
	for {
		t, ok := lex.next()
		if !ok {
			return s
		}
		word := ""
		if t.kind == wordToken {
			word = strings.ToUpper(t.text)
		}
		if s.verb == "" && word != "" {
			s.verb = word
		}
		switch {
		case t.text == "(" && t.kind == punctToken:
			if prev.kind == wordToken || prev.kind == nameToken {
				s.names = append(s.names, strings.ToLower(prev.text))
			}
			depth++
		case t.text == ")" && t.kind == punctToken:
			depth--
		case word == "OUTFILE" && strings.EqualFold(prev.text, "INTO"), word == "INFILE" && strings.EqualFold(prev.text, "FROM"):
			s.files = true
		case t.text == "=" && prev.kind == wordToken && early.kind == wordToken && strings.EqualFold(early.text, "SETTINGS"):
			s.settings = true
		case word == "SELECT" || word == "WITH" || word == "WATCH":
			sel = true
		case word == "FORMAT" && depth == 0 && prev.text != "." && prev.text != ",":
			at := t.start
			name, ok := lex.next()
			if !ok || name.kind != wordToken {
				break
			}
			s.format = name.text
			if s.verb == "INSERT" && !sel {
				s.data, s.head, s.dataAt = true, text[:at], skipToData(text, name.end)
				return s
			}
			t = name
		case word == "VALUES" && depth == 0 && s.verb == "INSERT" && !sel:
			s.data, s.head, s.dataAt, s.format = true, text[:t.start], t.end, "Values"
			return s
		}
		if apply && (t.kind == wordToken || t.kind == nameToken) {
			s.names = append(s.names, strings.ToLower(t.text))
		}
		apply = word == "APPLY" || apply && t.text == "("
		early, prev = prev, t
	}
}

// skipToData steps over the blanks and the one line break between a FORMAT
// clause and the data, as the server does.
func skipToData(text string, at int) int {
	for at < len(text) && strings.IndexByte(" \t\f\r", text[at]) >= 0 {
		at++
	}
	if at < len(text) && text[at] == '\n' {
		at++
	}
	return at
}

type tokenKind int

const (
	wordToken   tokenKind = iota // a keyword or a plain identifier
	nameToken                    // a quoted identifier, without its quotes
	stringToken                  // a string or a number
	punctToken                   // one character
)

type token struct {
	kind       tokenKind
	text       string
	start, end int
}

// lexer splits ClickHouse's SQL into tokens, without comments.
type lexer struct {
	text string
	at   int
}

func (l *lexer) next() (token, bool) {
	l.skip()
	if l.at >= len(l.text) {
		return token{}, false
	}
	start := l.at
	c := l.text[start]
	make := func(kind tokenKind) (token, bool) {
		return token{kind, l.text[start:l.at], start, l.at}, true
	}
	switch {
	case c == '\'':
		l.quoted('\'')
		return make(stringToken)
	case c == '"' || c == '`':
		l.quoted(c)
		t, _ := make(nameToken)
		t.text = strings.Trim(t.text, string(c))
		return t, true
	case c == '$' && l.heredoc():
		return make(stringToken)
	case isWord(c) && (c < '0' || c > '9'):
		for l.at < len(l.text) && (isWord(l.text[l.at]) || l.text[l.at] == '$') {
			l.at++
		}
		return make(wordToken)
	case c >= '0' && c <= '9':
		for l.at < len(l.text) && (isWord(l.text[l.at]) || l.text[l.at] == '.') {
			l.at++
		}
		return make(stringToken)
	default:
		l.at++
		return make(punctToken)
	}
}

// skip steps over blanks and comments: -- to the end of the line, # likewise
// when a blank or ! follows, and /* */, which may be nested.
func (l *lexer) skip() {
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch {
		case strings.IndexByte(" \t\n\r\f\v", rest[0]) >= 0:
			l.at++
		case strings.HasPrefix(rest, "\u00a0"), strings.HasPrefix(rest, "\ufeff"):
			l.at += len(rest[:2])
			if strings.HasPrefix(rest, "\ufeff") {
				l.at++
			}
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.at += end
		case strings.HasPrefix(rest, "/*"):
			l.at += 2
			for depth := 1; depth > 0 && l.at < len(l.text); {
				switch {
				case strings.HasPrefix(l.text[l.at:], "/*"):
					depth++
					l.at += 2
				case strings.HasPrefix(l.text[l.at:], "*/"):
					depth--
					l.at += 2
				default:
					l.at++
				}
			}
		default:
			return
		}
	}
}

// quoted steps over a string or a quoted name; both a backslash and a doubled
// quote escape.
func (l *lexer) quoted(quote byte) {
	l.at++
	for l.at < len(l.text) {
		switch l.text[l.at] {
		case '\\':
			l.at += 2
		case quote:
			l.at++
			if l.at >= len(l.text) || l.text[l.at] != quote {
				return
			}
			l.at++
		default:
			l.at++
		}
	}
	l.at = len(l.text)
}

// heredoc steps over $tag$ ... $tag$, if it is one.
func (l *lexer) heredoc() bool {
	rest := l.text[l.at:]
	end := strings.IndexByte(rest[1:], '$')
	if end < 0 {
		return false
	}
	tag := rest[:end+2]
	for _, c := range []byte(tag[1 : len(tag)-1]) {
		if !isWord(c) {
			return false
		}
	}
	body := strings.Index(rest[len(tag):], tag)
	if body < 0 {
		return false
	}
	l.at += len(tag) + body + len(tag)
	return true
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

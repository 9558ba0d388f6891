package local

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// exception is an error of the engine in ClickHouse's own words.
type exception struct {
	code int
	// name is the symbol of the code, such as UNKNOWN_TABLE; it may be empty.
	name string
	// text is the whole message, "Code: N. DB::Exception: ...".
	text string
}

func (e *exception) Error() string { return e.text }

var (
	codePrefix = regexp.MustCompile(`^(?:Code: (\d+)\. DB::Exception: )+`)
	codeName   = regexp.MustCompile(`\(([A-Z][A-Z0-9_]+)\)(?: \(version [^)]*\))?\.?$`)
)

// newException takes the engine's message, which names its code once or several
// times over.
func newException(msg string) *exception {
	msg = strings.TrimSpace(msg)
	e := &exception{code: 1001, text: "Code: 1001. DB::Exception: " + msg}
	if m := codePrefix.FindStringSubmatchIndex(msg); m != nil {
		e.code, _ = strconv.Atoi(msg[m[2]:m[3]])
		rest := msg[m[1]:]
		// "X (NAME) (version V). (NAME)" when the engine wrapped its own error.
		if i := strings.LastIndex(rest, "). ("); i > 0 && strings.Contains(rest[:i], "(version ") {
			rest = rest[:i+1]
		}
		e.text = fmt.Sprintf("Code: %d. DB::Exception: %s", e.code, rest)
	}
	if m := codeName.FindStringSubmatch(e.text); m != nil {
		e.name = m[1]
	}
	return e
}

// refusal is an exception of this endpoint rather than of the engine.
func refusal(code int, name, format string, args ...any) *exception {
	return &exception{code: code, name: name, text: fmt.Sprintf("Code: %d. DB::Exception: %s (%s)", code, fmt.Sprintf(format, args...), name)}
}

// status is the HTTP status that a ClickHouse server answers with for the code.
func (e *exception) status() int {
	switch e.name {
	case "UNKNOWN_TABLE", "UNKNOWN_FUNCTION", "UNKNOWN_IDENTIFIER", "UNKNOWN_TYPE", "UNKNOWN_STORAGE", "UNKNOWN_DATABASE",
		"UNKNOWN_SETTING", "UNKNOWN_FORMAT", "UNKNOWN_ELEMENT_IN_AST", "UNKNOWN_DIRECTION_OF_SORTING", "UNKNOWN_AGGREGATE_FUNCTION":
		return http.StatusNotFound
	case "SYNTAX_ERROR", "INCORRECT_DATA", "TYPE_MISMATCH", "ILLEGAL_TYPE_OF_ARGUMENT", "BAD_ARGUMENTS", "CANNOT_PARSE_TEXT", "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
		"CANNOT_PARSE_DATE", "CANNOT_PARSE_DATETIME", "CANNOT_PARSE_NUMBER", "CANNOT_PARSE_QUOTED_STRING", "CANNOT_PARSE_ESCAPE_SEQUENCE", "NUMBER_OF_ARGUMENTS_DOESNT_MATCH":
		return http.StatusBadRequest
	case "READONLY", "ACCESS_DENIED":
		return http.StatusForbidden
	case "QUERY_IS_TOO_LARGE":
		return http.StatusRequestEntityTooLarge
	case "NOT_IMPLEMENTED", "SUPPORT_IS_DISABLED":
		return http.StatusNotImplemented
	case "TIMEOUT_EXCEEDED":
		return http.StatusRequestTimeout
	default:
		return http.StatusInternalServerError
	}
}

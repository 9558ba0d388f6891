package local

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStatementIsUnderstood(t *testing.T) {
	type want struct {
		Verb, Format, Head, Data string
		Files                    bool
		Names                    string
	}
	for text, w := range map[string]want{
		"SELECT 1": {Verb: "SELECT"},
		" /* a /* b */ */ -- c\n select 1 format X": {Verb: "SELECT", Format: "X"},
		"SELECT 'FORMAT CSV', `FORMAT`":             {Verb: "SELECT"},
		"SELECT (SELECT 1 FORMAT X)":                {Verb: "SELECT", Names: "select"},
		"SELECT t.format FROM t":                    {Verb: "SELECT"},
		"INSERT INTO t FORMAT CSV\n1":               {Verb: "INSERT", Format: "CSV", Head: "INSERT INTO t ", Data: "1"},
		"INSERT INTO t FORMAT CSV \n\n1":            {Verb: "INSERT", Format: "CSV", Head: "INSERT INTO t ", Data: "\n1"},
		"insert into t (a, format) values(1)":       {Verb: "INSERT", Format: "Values", Head: "insert into t (a, format) ", Data: "(1)", Names: "t"},
		"INSERT INTO t SELECT 1 FORMAT CSV":         {Verb: "INSERT", Format: "CSV"},
		"INSERT INTO t (SELECT 1)":                  {Verb: "INSERT", Names: "t"},
		"SELECT 1 INTO -- x\n OUTFILE 'f'":          {Verb: "SELECT", Files: true},
		"INSERT INTO t FROM INFILE 'f' FORMAT CSV":  {Verb: "INSERT", Files: true, Format: "CSV", Head: "INSERT INTO t FROM INFILE 'f' "},
		"SELECT `a``b` (1), $x$ file( $x$, f(1)":    {Verb: "SELECT", Names: "a``b f"},
		"SELECT * APPLY(file), * APPLY url FROM t":  {Verb: "SELECT", Names: "apply file url"},
		"SELECT 'unfinished":                        {Verb: "SELECT"},
		"":                                          {},
	} {
		s := parseStatement(text)
		got := want{Verb: s.verb, Format: s.format, Files: s.files, Names: strings.Join(s.names, " ")}
		if s.data {
			got.Head, got.Data = s.head, text[s.dataAt:]
		}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", text, diff)
		}
	}
}

func FuzzStatement(f *testing.F) {
	for _, seed := range []string{"SELECT 'a' FORMAT CSV", "INSERT INTO t VALUES (1)", "$a$ $a$", "/* /* */", "'\\", "`", "\u00a0SELECT", "INSERT INTO t FORMAT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := parseStatement(text)
		if s.dataAt < 0 || s.dataAt > len(text) || !strings.HasPrefix(text, s.head) {
			t.Errorf("%q: data at %d, head %q", text, s.dataAt, s.head)
		}
		if s.data && (s.verb != "INSERT" || s.format == "") {
			t.Errorf("%q: data without an insert or a format: %+v", text, s)
		}
	})
}

func TestExceptionSaysItsCodeOnce(t *testing.T) {
	for msg, want := range map[string]exception{
		"Code: 60. DB::Exception: Table x. (UNKNOWN_TABLE)": {60, "UNKNOWN_TABLE", "Code: 60. DB::Exception: Table x. (UNKNOWN_TABLE)"},
		"Code: 504. DB::Exception: Code: 504. DB::Exception: File. (FILE_ALREADY_EXISTS) (version 26.7.2.1). (FILE_ALREADY_EXISTS)": {504, "FILE_ALREADY_EXISTS",
			"Code: 504. DB::Exception: File. (FILE_ALREADY_EXISTS) (version 26.7.2.1)"},
		"something else": {1001, "", "Code: 1001. DB::Exception: something else"},
	} {
		if got := newException(msg); *got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", msg, *got, want)
		}
	}
}

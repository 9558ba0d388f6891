package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// Refused is a statement that is not run, for what it would reach.
type Refused struct{ Message, Remedy string }

func (r *Refused) Error() string { return r.Message + "; " + r.Remedy }

func refused(remedy, format string, args ...any) error {
	return &Refused{fmt.Sprintf(format, args...), remedy}
}

// Guard refuses a statement that does more than read the run log: by *Refused,
// or by ClickHouse's own error when it cannot be parsed. It is the first of
// three fences, and there to say why in plain words: behind it are the
// connection's readonly=1 and, on a server, the rights of the URL's user.
//
// What it looks at is the statement as ClickHouse's own parser prints it, which
// has no comments, no escapes in names, and one way to write each thing.
func Guard(ctx context.Context, db Querier, sql string) error {
	rows, err := db.Query(ctx, "SELECT formatQuery(?), currentDatabase(), (SELECT groupArray(lower(name)) FROM system.databases)", sql)
	if err != nil {
		return unparsed(err)
	}
	defer rows.Close()
	var printed, own string
	var databases []string
	if rows.Next() {
		if err := rows.Scan(&printed, &own, &databases); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return judge(printed, own, append(databases, "system", "information_schema", "default"))
}

// unparsed is ClickHouse's word on a statement, without the question that it was
// put in.
func unparsed(err error) error {
	var e *ch.Exception
	if !errors.As(err, &e) {
		return err
	}
	if strings.Contains(e.Message, "Multi-statements are not allowed") {
		return refused("send one after the other", "only one statement is run at a time")
	}
	if about, _, ok := strings.Cut(e.Message, ": In scope SELECT formatQuery("); ok {
		short := *e
		short.Message = about
		return &short
	}
	return err
}

const onlyViews = "ask the views executions, steps and hooks, or minutes, flow_minutes, execution_minutes and step_minutes"

// judge is pure: the printed statement, the database it runs in, and all there are.
func judge(printed, own string, databases []string) error {
	words := tokens(printed)
	if len(words) == 0 {
		return refused("write one that begins with SELECT", "there is no statement")
	}
	verb := ""
	for _, w := range words { // an opening parenthesis may come first
		if w.name {
			verb = strings.ToUpper(w.text)
			break
		}
	}
	switch verb {
	case "SELECT", "WITH", "DESCRIBE", "DESC", "EXPLAIN", "FROM":
	case "SHOW":
		if what := strings.ToUpper(words[min(1, len(words)-1)].text); !slices.Contains([]string{"TABLES", "COLUMNS", "CREATE", "FULL", "EXTENDED"}, what) {
			return refused("SHOW TABLES, SHOW COLUMNS and SHOW CREATE are", "SHOW %s is not run here", what)
		}
	case "EXISTS":
		return refused("SHOW TABLES lists what there is", "EXISTS is not run here: it would tell of what is outside the run log")
	default:
		return refused("begin with SELECT, WITH, SHOW, DESCRIBE or EXPLAIN", "only statements that read are run here, and not %s", verb)
	}
	foreign := func(name string) bool {
		name = strings.ToLower(name)
		return name != strings.ToLower(own) && slices.Contains(databases, name)
	}
	depth := 0
	for i, w := range words {
		next := func(n int) string {
			if i+n < len(words) {
				return words[i+n].text
			}
			return ""
		}
		upper := strings.ToUpper(w.text)
		switch {
		case w.text == "(" && !w.name:
			depth++
		case w.text == ")" && !w.name:
			depth--
		case !w.name:
		case strings.HasPrefix(strings.ToLower(w.text), "runlog_"):
			return refused(onlyViews, "%s is a table of the run log's own, which changes without notice", w.text)
		case next(1) == "(" && outside(strings.ToLower(w.text)):
			return refused(onlyViews, "%s() reaches outside the run log", w.text)
		case next(1) == "." && foreign(w.text) && !harmless(w.text, next(2)):
			return refused(onlyViews, "%s.%s is outside the run log", w.text, next(2))
		case verb == "SHOW" && i > 1 && foreign(w.text):
			return refused(onlyViews, "the database %s is outside the run log", w.text)
		case upper == "SETTINGS" && !w.quoted && next(2) == "=":
			return refused("leave the SETTINGS clause out", "a statement cannot change its limits and other settings")
		case upper == "OUTFILE" && !w.quoted && i > 0 && strings.EqualFold(words[i-1].text, "INTO"):
			return refused("take the result from the answer: `sluice query SQL --output csv > FILE`", "a statement cannot write files")
		case upper == "FORMAT" && !w.quoted && depth == 0 && i > 0 && i == len(words)-2 && words[i+1].name && words[i-1].text != "," && words[i-1].text != "." && !strings.EqualFold(words[i-1].text, "SELECT") && !strings.EqualFold(words[i-1].text, "AS"):
			return refused("leave FORMAT out, and choose by Accept or --output: json, csv, ndjson, parquet or arrow", "the answer's format is not the statement's to choose")
		}
	}
	return nil
}

// harmless are tables of numbers.
func harmless(database, table string) bool {
	return strings.EqualFold(database, "system") && slices.Contains([]string{"one", "numbers", "numbers_mt", "zeros", "zeros_mt"}, table)
}

// outside reports whether a function, of rows or of values, reaches files, the
// network, other databases or the server's insides.
func outside(name string) bool {
	if reaches[name] {
		return true
	}
	for _, prefix := range []string{"dictget", "dicthas", "dictis", "joinget", "s3", "azureblob", "iceberg", "deltalake", "hudi", "paimon", "hdfs", "filesystem", "mergetree", "timeseries", "url"} {
		// URL functions of values begin with url, too.
		if strings.HasPrefix(name, prefix) && !strings.HasPrefix(name, "urlhierarchy") && !strings.HasPrefix(name, "urlpath") {
			return true
		}
	}
	return false
}

var reaches = func() map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(`file filecluster remote remotesecure cluster clusterallreplicas gcs cosn oss mysql postgresql mongodb redis sqlite odbc jdbc
		executable input dictionary merge loop viewifpermitted ytsaurus arrowflight prometheusquery prometheusqueryrange fuzzquery fuzzjson
		hascolumnintable catboostevaluate modelevaluate addresstoline addresstosymbol addresstolinewithinlines demangle
		getserverport getserversetting getmergetreesetting getmacro hostname fqdn serveruuid displayname getoskernelversion showcertificate tcpport
		aigenerate aiclassify aiextract aitranslate aiembed currentprofiles enabledprofiles defaultprofiles currentroles enabledroles defaultroles`) {
		all[name] = true
	}
	return all
}()

// word is a token of a printed statement: a name or keyword, or one character
// of anything else. Texts are left out.
type word struct {
	text         string
	name, quoted bool
}

func tokens(s string) []word {
	var out []word
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\'' || c == '`' || c == '"':
			end := i + 1
			for end < len(s) && s[end] != c {
				if s[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(s))
			if c != '\'' {
				out = append(out, word{strings.Trim(s[i:end], string(c)), true, true})
			}
			i = end
		case isNameByte(c):
			end := i
			for end < len(s) && isNameByte(s[end]) {
				end++
			}
			out = append(out, word{s[i:end], c < '0' || c > '9', false})
			i = end
		case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
			i++
		default:
			out = append(out, word{text: s[i : i+1]})
			i++
		}
	}
	return out
}

func isNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

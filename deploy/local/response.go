package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP speaks ClickHouse's HTTP interface.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-ClickHouse-Server-Display-Name", "sluice-local")
	w.Header().Set("X-ClickHouse-Timezone", "UTC")
	if r.URL.Path == "/ping" || r.URL.Path == "/" && r.Method == http.MethodGet && r.URL.RawQuery == "" {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	out := &response{w: w, version: s.version}
	req, err := readRequest(w, r)
	if err == nil {
		if req.id != "" {
			w.Header().Set("X-ClickHouse-Query-Id", req.id)
		}
		out.req = req
		err = s.answer(r, req, out)
	}
	if err == nil {
		err = out.finish()
	}
	if err != nil {
		out.fail(err)
	}
}

// answer runs the statement.
func (s *server) answer(r *http.Request, req request, out *response) error {
	st := parseStatement(req.text)
	if st.files {
		return refusal(390, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE and FROM INFILE are not allowed over HTTP")
	}
	if st.verb == "" {
		return refusal(62, "SYNTAX_ERROR", "Syntax error: failed at position 1 (end of query). Empty query")
	}
	c, err := s.session(r.Context(), req)
	if err != nil {
		return err
	}
	defer c.close()

	whole := req.text
	if st.data {
		whole = st.head
	}
	if n := c.class(whole).statements; n > 1 {
		return refusal(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
	}
	if req.fenced {
		if err := s.fence(c.conn, whole); err != nil {
			return err
		}
	}
	out.format = firstOf(st.format, req.format)
	start := time.Now()
	if st.data {
		data := io.MultiReader(strings.NewReader(req.text[st.dataAt:]), req.body)
		n, err := c.insert(st.head, st.format, req.params, data)
		if err != nil {
			return err
		}
		out.summary(0, 0, n.rows, n.bytes, 0, time.Since(start))
		return nil
	}
	if joinable(out.format, req) && mayStream(st.verb) {
		err := s.stream(c.conn, req, out)
		if !isNotStreamable(err) {
			return err
		}
	}
	res, err := c.run(req.text, req.format, req.params)
	if err != nil {
		return err
	}
	defer res.close()
	e := s.engine
	out.summary(e.storageRows(res.handle), e.storageBytes(res.handle), e.rowsWritten(res.handle), e.bytesWritten(res.handle), e.rowsRead(res.handle), time.Since(start))
	return out.write(res.data())
}

// stream sends a SELECT part by part.
func (s *server) stream(c *conn, req request, out *response) (err error) {
	rows, err := c.stream(req.text, req.format, req.params)
	if err != nil {
		return err
	}
	finished := false
	defer func() { rows.close(finished) }()
	for {
		part, err := rows.next()
		if err != nil {
			// The statement is over; to cancel it again does no harm.
			return err
		}
		data := part.data()
		if len(data) == 0 {
			part.close()
			finished = true
			return nil
		}
		err = out.write(data)
		part.close()
		if err != nil {
			return err
		}
	}
}

// joinable tells whether documents of the format can be written one after
// another, which is how the library gives a result in parts.
func joinable(format string, req request) bool {
	if req.whole {
		return false
	}
	for _, s := range req.settings {
		if s.name == "output_format_json_array_of_rows" {
			return false
		}
	}
	switch strings.ToLower(format) {
	case "native", "jsoneachrow", "jsonlines", "ndjson", "jsonstringseachrow", "jsoncompacteachrow", "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv", "rowbinary":
		return true
	}
	return false
}

func mayStream(verb string) bool { return verb == "SELECT" || verb == "WITH" || verb == "FROM" }

// isNotStreamable is the library's word, before it did anything, that a
// statement gives no rows in parts, such as WITH ... INSERT.
func isNotStreamable(err error) bool {
	var e *exception
	return errors.As(err, &e) && strings.Contains(e.text, "Streaming query is not supported")
}

// response writes an answer: nothing of it goes out before the first data, so
// that an error before it is a plain HTTP error.
type response struct {
	w       http.ResponseWriter
	req     request
	version string
	format  string

	started bool
	tag     string
	body    io.WriteCloser
	frames  io.Writer
	native  *nativeEncoder
}

func (o *response) start() error {
	if o.started {
		return nil
	}
	h := o.w.Header()
	h.Set("Content-Type", contentType(o.format))
	h.Set("X-ClickHouse-Format", o.format)
	o.tag = rand.Text()[:16]
	h.Set("X-ClickHouse-Exception-Tag", o.tag)
	if o.req.encoding != "" {
		h.Set("Content-Encoding", o.req.encoding)
	}
	o.body = encodeBody(o.w, o.req.encoding)
	o.frames = o.body
	if o.req.frames {
		frames, err := newFrameWriter(o.body, o.req.method)
		if err != nil {
			return err
		}
		o.frames = frames
	}
	if o.req.revision > 0 && strings.EqualFold(o.format, "Native") {
		o.native = &nativeEncoder{revision: o.req.revision}
	}
	o.started = true
	return nil
}

func (o *response) write(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if err := o.start(); err != nil {
		return err
	}
	if o.native != nil {
		var err error
		if data, err = o.native.encode(data); err != nil {
			return err
		}
	}
	if _, err := o.frames.Write(data); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// errGone is a client that no longer reads.
var errGone = errors.New("sending a result")

func (o *response) finish() error {
	if !o.started {
		if o.format != "" {
			o.w.Header().Set("Content-Type", contentType(o.format))
			o.w.Header().Set("X-ClickHouse-Format", o.format)
		}
		return nil
	}
	if err := o.body.Close(); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// summary is known before the first data only where a result is whole.
func (o *response) summary(readRows, readBytes, writtenRows, writtenBytes, resultRows uint64, took time.Duration) {
	o.w.Header().Set("X-ClickHouse-Summary", fmt.Sprintf(
		`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d","total_rows_to_read":"0","result_rows":"%d","result_bytes":"0","elapsed_ns":"%d"}`,
		readRows, readBytes, writtenRows, writtenBytes, resultRows, took.Nanoseconds()))
}

// fail tells the client: by the status, or in the body when that has begun.
func (o *response) fail(err error) {
	if errors.Is(err, errGone) {
		panic(http.ErrAbortHandler)
	}
	var e *exception
	if !errors.As(err, &e) {
		e = &exception{code: 1000, name: "POCO_EXCEPTION", text: "Code: 1000. DB::Exception: " + err.Error() + " (POCO_EXCEPTION)"}
	}
	text := e.text
	if !strings.Contains(text, "(version ") {
		text += " (version " + o.version + " (official build))"
	}
	if !o.started {
		h := o.w.Header()
		h.Del("Content-Encoding")
		h.Set("Content-Type", "text/plain; charset=UTF-8")
		h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
		if e.name != "" {
			h.Set("X-ClickHouse-Exception-Name", e.name)
		}
		o.w.WriteHeader(e.status())
		_, _ = io.WriteString(o.w, text+"\n")
		return
	}
	// https://clickhouse.com/docs/interfaces/http#http_response_codes_caveats
	const marker = "\r\n__exception__\r\n"
	_, _ = fmt.Fprintf(o.frames, "%s%s\r\n%s\n%d %s%s", marker, o.tag, text, len(text)+1, o.tag, marker)
	_ = o.body.Close()
	_ = http.NewResponseController(o.w).Flush()
	// Cut the answer short, so that a client that does not look inside sees it too.
	panic(http.ErrAbortHandler)
}

// contentType is the one that a server gives for the format.
func contentType(format string) string {
	f := strings.ToLower(format)
	switch {
	case strings.HasPrefix(f, "jsoneachrow"), strings.HasPrefix(f, "jsoncompacteachrow"), strings.HasPrefix(f, "jsonstringseachrow"), f == "jsonlines", f == "ndjson":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(f, "json"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(f, "csv"):
		return "text/csv; charset=UTF-8"
	case strings.HasPrefix(f, "tabseparated"), strings.HasPrefix(f, "tsv"):
		return "text/tab-separated-values; charset=UTF-8"
	case f == "native", strings.HasPrefix(f, "rowbinary"), f == "parquet", strings.HasPrefix(f, "arrow"):
		return "application/octet-stream"
	case f == "xml":
		return "application/xml; charset=UTF-8"
	default:
		return "text/plain; charset=UTF-8"
	}
}

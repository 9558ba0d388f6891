package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"sluice/schemas"
	"sluice/schemas/blobs"
)

// exchange sends bytes and reads what comes back until the edge closes or has
// said nothing for so long.
func (w *world) exchange(text string, patience time.Duration) (answer string, closed bool) {
	w.t.Helper()
	c, err := net.Dial("tcp", w.edge.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, text) }() // the edge may close first
	var all strings.Builder
	buffer := make([]byte, 32<<10)
	for {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		n, err := c.Read(buffer)
		all.Write(buffer[:n])
		if err != nil {
			timeout, ok := err.(net.Error)
			return all.String(), !ok || !timeout.Timeout()
		}
	}
}

// statuses are those of all answers in a text.
func statuses(answer string) []string {
	var list []string
	for _, part := range strings.Split(answer, "HTTP/1.1 ")[1:] {
		list = append(list, part[:3])
	}
	return list
}

// TestWhatIsNoPlainHTTPIsRefusedAndNothingIsSmuggled: whatever stands behind a
// request whose end is in doubt is never a request.
func TestWhatIsNoPlainHTTPIsRefusedAndNothingIsSmuggled(t *testing.T) {
	w := start(t, func(o *Options) { o.ReadTimeout = 500 * time.Millisecond })
	w.run(t, "pets", schemas.Trigger{})
	const (
		host     = "Host: x\r\n"
		post     = "POST /hook/pets HTTP/1.1\r\n" + host
		get      = "GET /hook/pets HTTP/1.1\r\n"
		chunked  = "Transfer-Encoding: chunked\r\n"
		none     = "\r\n0\r\n\r\n"
		smuggled = "GET /hook/pets?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	)
	var wg sync.WaitGroup
	for name, c := range map[string]struct{ text, status string }{
		"both lengths":                  {post + "Content-Length: 4\r\n" + chunked + none + smuggled, "400"},
		"both, the other way":           {post + chunked + "Content-Length: 4\r\n" + none + smuggled, "400"},
		"two lengths":                   {post + "Content-Length: 1\r\nContent-Length: 50\r\n\r\nx" + smuggled, "400"},
		"the same length twice":         {post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx" + smuggled, "400"},
		"a list of lengths":             {post + "Content-Length: 1, 1\r\n\r\nx" + smuggled, "400"},
		"a length with a sign":          {post + "Content-Length: +1\r\n\r\nx" + smuggled, "400"},
		"a negative length":             {post + "Content-Length: -1\r\n\r\nx" + smuggled, "400"},
		"a length in hex":               {post + "Content-Length: 0x1\r\n\r\nx" + smuggled, "400"},
		"a length beyond 64 bits":       {post + "Content-Length: 99999999999999999999\r\n\r\nx" + smuggled, "400"},
		"an empty length":               {post + "Content-Length: \r\n\r\nx" + smuggled, "400"},
		"a space behind the name":       {post + "Content-Length : 1\r\n\r\nx" + smuggled, "400"},
		"a tab behind the coding":       {post + "Transfer-Encoding\t: chunked\r\n" + none + smuggled, "400"},
		"a space behind the coding":     {post + "Transfer-Encoding : chunked\r\n" + none + smuggled, "400"},
		"a coding like chunked":         {post + "Transfer-Encoding: xchunked\r\n" + none + smuggled, "400"},
		"a list of codings":             {post + "Transfer-Encoding: gzip, chunked\r\n" + none + smuggled, "400"},
		"the coding identity":           {post + "Transfer-Encoding: identity\r\n\r\n" + smuggled, "400"},
		"two codings":                   {post + chunked + "Transfer-Encoding: identity\r\n" + none + smuggled, "400"},
		"a coding behind a control":     {post + "Transfer-Encoding: \x0bchunked\r\n" + none + smuggled, "400"},
		"a coding in a second line":     {post + "Transfer-Encoding:\r\n chunked\r\n" + none + smuggled, "400"},
		"a coding as a second line":     {post + "X: a\r\n Transfer-Encoding: chunked\r\n" + none + smuggled, "400"},
		"a coding in HTTP/1.0":          {"POST /hook/pets HTTP/1.0\r\n" + host + chunked + none + smuggled, "400"},
		"a chunk of no size":            {post + chunked + "\r\nzz\r\nx\r\n0\r\n\r\n" + smuggled, "400"},
		"a chunk of a negative size":    {post + chunked + "\r\n-1\r\nx\r\n0\r\n\r\n" + smuggled, "400"},
		"a chunk of 2^64-1":             {post + chunked + "\r\nffffffffffffffff\r\nx\r\n0\r\n\r\n" + smuggled, "400"},
		"a chunk of 2^63-1":             {post + chunked + "\r\n7fffffffffffffff\r\nx\r\n0\r\n\r\n" + smuggled, "400"},
		"a chunk of 0x1":                {post + chunked + "\r\n0x1\r\nx\r\n0\r\n\r\n" + smuggled, "400"},
		"a chunk that is longer":        {post + chunked + "\r\n1\r\nxx\r\n0\r\n\r\n" + smuggled, "400"},
		"a chunk that ends in LF":       {post + chunked + "\r\n1\nx\n0\n\n" + smuggled, "400"},
		"an extension with LF":          {post + chunked + "\r\n1;a\nb\r\nx\r\n0\r\n\r\n" + smuggled, "400"},
		"a length as trailer":           {post + chunked + "\r\n0\r\nContent-Length: 5\r\n\r\n" + smuggled, "400"},
		"many trailers":                 {post + chunked + "\r\n0\r\n" + strings.Repeat("X: yyyyyyyyyyyyyyyyyyyy\r\n", 10000) + "\r\n" + smuggled, "400"},
		"a chunk that does not come":    {post + chunked + "\r\n10\r\nx", "408"},
		"a body that does not come":     {post + "Content-Length: 100\r\n\r\nx", "408"},
		"NUL in the path":               {"GET /hook/pets\x00x HTTP/1.1\r\n" + host + "\r\n", "400"},
		"NUL in a header":               {get + host + "X: a\x00b\r\n\r\n", "400"},
		"NUL in a name":                 {get + host + "X\x00: a\r\n\r\n", "400"},
		"CR in a header":                {get + host + "X: a\rContent-Length: 5\r\n\r\n", "400"},
		"no host":                       {get + "\r\n", "400"},
		"two hosts":                     {get + host + "Host: y\r\n\r\n", "400"},
		"TLS":                           {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x01", 500), "408"},
		"HTTP/2":                        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
		"HTTP/0.9":                      {"GET /hook/pets\r\n\r\n", "400"},
		"two spaces":                    {"GET  /hook/pets  HTTP/1.1\r\n" + host + "\r\n", "400"},
		"no method":                     {" /hook/pets HTTP/1.1\r\n" + host + "\r\n", "400"},
		"a request line of 100 KB":      {"GET /hook/pets?" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\n" + host + "\r\n", "431"},
		"a header of 100 KB":            {get + host + "X: " + strings.Repeat("a", 100_000) + "\r\n\r\n", "431"},
		"100,000 headers":               {get + host + strings.Repeat("A: b\r\n", 100_000) + "\r\n", "431"},
		"a header without a colon":      {get + host + "nocolon\r\n\r\n", "400"},
		"a header without a name":       {get + host + ": y\r\n\r\n", "400"},
		"white space before headers":    {get + " X: y\r\n" + host + "\r\n", "400"},
		"another expectation":           {post + "Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx", "417"},
		"CONNECT":                       {"CONNECT x:443 HTTP/1.1\r\n" + host + "\r\n", "404"},
		"an asterisk":                   {"OPTIONS * HTTP/1.1\r\n" + host + "\r\n", "404"},
		"the ID in another spelling":    {"GET /hook/p%65ts HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", "404"},
		"a path that goes up and down":  {"GET /hook/../hook/pets HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", "404"},
		"a method that nobody knows":    {"BREW /hook/pets HTTP/1.1\r\n" + host + "\r\n", "501"},
		"a version that there is not":   {"GET /hook/pets HTTP/9.9\r\n" + host + "\r\n", "505"},
		"nothing but line ends":         {strings.Repeat("\r\n", 100), ""},
		"random bytes":                  {strings.Repeat("\xde\xad\xbe\xef", 1000) + "\r\n\r\n", "400"},
		"a request line without an end": {strings.Repeat("A", 100_000), "431"},
	} {
		wg.Go(func() {
			began := time.Now()
			answer, closed := w.exchange(c.text, 5*time.Second)
			if got := strings.Join(statuses(answer), " "); got != c.status {
				t.Errorf("%s: answers %v, want %s alone", name, got, c.status)
			}
			if !closed {
				t.Errorf("%s: the connection is still open", name)
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("%s: took %v", name, took)
			}
		})
	}
	wg.Wait()
	if hooks := w.stored(); len(hooks) != 0 {
		t.Errorf("%d hooks are stored, such as %s?%s", len(hooks), hooks[0].Path, hooks[0].Query)
	}
	if got := w.send("POST", "/hook/pets", "x"); got.status != 200 {
		t.Errorf("after all that: %d", got.status)
	}
}

func TestPipelinedRequestsAreAnsweredInTheirOrder(t *testing.T) {
	w := start(t, nil)
	w.run(t, "pets", schemas.Trigger{})
	var all strings.Builder
	const n = 200
	for i := range n {
		body := fmt.Sprint(i)
		fmt.Fprintf(&all, "POST /hook/pets HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	all.WriteString("GET /hook/nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	got := statuses(w.raw(all.String()))
	if len(got) != n+1 || got[n] != "404" || strings.Join(got[:n], "") != strings.Repeat("200", n) {
		t.Errorf("%d answers, want %d: %v", len(got), n+1, got)
	}
	for i, h := range w.stored() {
		if string(h.Body) != fmt.Sprint(i) {
			t.Fatalf("hook %d is %s", i, h.Body)
		}
	}
}

// TestADripOfBytesKeepsNothingOpen: a byte now and then keeps nothing open.
func TestADripOfBytesKeepsNothingOpen(t *testing.T) {
	store, err := blobs.OpenLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, func(o *Options) {
		o.ReadTimeout, o.IdleTimeout, o.Blobs = 600*time.Millisecond, 600*time.Millisecond, store
	})
	w.run(t, "pets", schemas.Trigger{})
	const head = "POST /hook/pets HTTP/1.1\r\nHost: x\r\n"
	var wg sync.WaitGroup
	for name, text := range map[string]struct{ at, once string }{
		"headers":             {"", head + strings.Repeat("X: y\r\n", 1000)},
		"a large body":        {head + "Content-Length: 9000000\r\n\r\n", strings.Repeat("x", 20000)},
		"a file":              {head + "Content-Type: image/png\r\nContent-Length: 90000000\r\n\r\n", strings.Repeat("x", 20000)},
		"a zipped file":       {head + "Content-Type: image/png\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\x1f\r\n", strings.Repeat("1\r\nx\r\n", 20000)},
		"a body":              {head + "Content-Length: 20000\r\n\r\n", strings.Repeat("x", 20000)},
		"chunks":              {head + "Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\nx\r\n", 1000)},
		"a chunk's extension": {head + "Transfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("x", 1000)},
		"nothing":             {"", ""},
		"after an answer":     {head + "Content-Length: 1\r\n\r\nx", ""},
	} {
		wg.Go(func() {
			c, err := net.Dial("tcp", w.edge.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			began := time.Now()
			if _, err := io.WriteString(c, text.at); err != nil {
				t.Error(err)
				return
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, _ = io.Copy(io.Discard, c)
			}()
			patience := 3 * time.Second
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-ended:
					return
				case <-tick.C:
				}
				if i < len(text.once) {
					_, _ = c.Write([]byte{text.once[i]})
				}
				if time.Since(began) > patience {
					t.Errorf("%s: still open after %v", name, patience)
					return
				}
			}
		})
	}
	wg.Wait()
}

// bomb is a small body that becomes large, or takes long to read.
type bomb struct {
	contentType, encoding string
	body                  []byte
	status                int
}

func bombs(t *testing.T) map[string]bomb {
	t.Helper()
	zeros := make([]byte, 1<<20)
	squeeze := func(w io.WriteCloser, megabytes int) {
		for range megabytes {
			_, _ = w.Write(zeros)
		}
		w.Close()
	}
	var zipped, twice, squeezed, zstandard bytes.Buffer
	fast, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	squeeze(fast, 120)
	z := gzip.NewWriter(&twice)
	_, _ = z.Write(zipped.Bytes())
	z.Close()
	squeeze(brotli.NewWriterLevel(&squeezed, 1), 120)
	zw, err := zstd.NewWriter(&zstandard)
	if err != nil {
		t.Fatal(err)
	}
	squeeze(zw, 120)
	var laughs strings.Builder
	laughs.WriteString(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "ha">`)
	for i := range 20 {
		fmt.Fprintf(&laughs, `<!ENTITY l%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&l%d;", i), 10))
	}
	laughs.WriteString(`]><a>&l20;</a>`)
	part := "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n"
	const form = "multipart/form-data; boundary=b"
	ten := func(s string) []byte { return bytes.Repeat([]byte(s), 10<<20/len(s)) }
	return map[string]bomb{
		"JSON, 10 MiB of [":                  {"application/json", "", ten("["), 400},
		"JSON, 10 MiB of {\"a\":":            {"application/json", "", ten(`{"a":`), 400},
		"JSON, a million keys":               {"application/json", "", []byte("{" + manyKeys(1_000_000) + "}"), 400},
		"JSON, a number of 10 MiB":           {"application/json", "", ten("1"), 0},
		"XML, a billion laughs":              {"application/xml", "", []byte(laughs.String()), 400},
		"XML, an outer entity":               {"application/xml", "", []byte(`<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>`), 400},
		"XML, 10 MiB of <a>":                 {"application/xml", "", ten("<a>"), 400},
		"XML, 10 MiB of attributes":          {"application/xml", "", []byte("<a" + manyAttributes(600_000) + "/>"), 400},
		"XML, attributes in another charset": {"application/xml", "", []byte(`<?xml version="1.0" encoding="iso-8859-1"?><a>text` + "<b" + manyAttributes(600_000) + "/></a>"), 400},
		"XML, signs in text and CDATA":       {"application/xml", "", []byte("<a>" + strings.Repeat("= ", 1<<20) + "<![CDATA[" + strings.Repeat("<=", 1<<20) + "]]><!--" + strings.Repeat("<=", 1<<20) + "--></a>"), 200},
		"XML, a name of 10 MiB":              {"application/xml", "", append([]byte("<"), ten("a")[:9<<20]...), 400},
		"multipart, a million parts":         {form, "", []byte(strings.Repeat(part, 1_000_000) + "--b--\r\n"), 400},
		"multipart, a header of 9 MiB":       {form, "", []byte("--b\r\nX: " + strings.Repeat("y", 9<<20) + "\r\n\r\nx\r\n--b--\r\n"), 400},
		"multipart, no end":                  {form, "", ten("--b\r\n"), 400},
		"multipart, a long boundary":         {"multipart/form-data; boundary=" + strings.Repeat("b", 5000), "", ten("--b\r\n"), 0},
		"form, a million fields":             {"application/x-www-form-urlencoded", "", []byte(manyFields(1_000_000)), 0},
		"form, fields in fields":             {"application/x-www-form-urlencoded", "", []byte("a" + strings.Repeat("[a]", 1<<20) + "=1"), 0},
		"gzip":                               {"application/octet-stream", "gzip", zipped.Bytes(), 413},
		"gzip in gzip":                       {"application/octet-stream", "gzip, gzip", twice.Bytes(), 413},
		"gzip of JSON":                       {"application/json", "gzip", zipped.Bytes(), 0},
		"br":                                 {"application/octet-stream", "br", squeezed.Bytes(), 413},
		"zstd":                               {"application/octet-stream", "zstd", zstandard.Bytes(), 413},
		"gzip, ten times":                    {"application/octet-stream", strings.TrimSuffix(strings.Repeat("gzip, ", 10), ", "), twice.Bytes(), 415},
		"gzip that is none":                  {"application/json", "gzip", ten("x"), 400},
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%x":1`, i)
	}
	return b.String()
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%x=""`, i)
	}
	return b.String()
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "f%x=1&", i)
	}
	return b.String()
}

// heap is what the collector has found to be in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// peak watches the heap until it is called.
func peak() (stop func() uint64) {
	done, top := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-done:
				top <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 { close(done); return <-top }
}

func TestBombsAreRefusedOnTheWayAndTakeNoMemory(t *testing.T) {
	store, err := blobs.OpenLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, func(o *Options) { o.Blobs = store })
	w.run(t, "pets", schemas.Trigger{})
	all := bombs(t)
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // what is measured is memory, not garbage
	w.send("POST", "/hook/pets", "warm")             // what is made once
	for name, b := range all {
		runtime.GC()
		before := heap()
		stop := peak()
		began := time.Now()
		request, err := http.NewRequest("POST", w.url+"/hook/pets", bytes.NewReader(b.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", b.contentType)
		if b.encoding != "" {
			request.Header.Set("Content-Encoding", b.encoding)
		}
		got := w.do(request)
		took := time.Since(began)
		grown := int64(stop()) - int64(before)
		// Some are merely large, and right: they may be taken.
		if b.status == 0 && got.status != 200 && got.status/100 != 4 || b.status != 0 && got.status != b.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, b.status)
		}
		if took > 30*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if grown > 128<<20 {
			t.Errorf("%s: took %d MiB of memory", name, grown>>20)
		}
		t.Logf("%-30s %d in %v, %d MiB, of %d KiB", name, got.status, took.Round(time.Millisecond), grown>>20, len(b.body)>>10)
	}
	if got := w.send("POST", "/hook/pets", "{}", "Content-Type: application/json"); got.status != 200 {
		t.Errorf("after all that: %d", got.status)
	}
	if used := w.edge.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes of the budget are still taken", used)
	}
}

const idleConnections = 10_000

// TestIdleSender is the other process of the test below it, which names it the
// edge: each process may have so many files open only.
func TestIdleSender(t *testing.T) {
	addr := os.Getenv("SLUICE_TEST_IDLE")
	if addr == "" {
		return
	}
	connections := make([]net.Conn, 0, idleConnections)
	for range idleConnections {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		connections = append(connections, c)
	}
	fmt.Println("connected")
	// All of them are closed by the edge.
	for _, c := range connections {
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != nil && !isClosed(err) {
			t.Fatalf("a connection was not closed: %v", err)
		}
	}
	fmt.Println("closed")
}

func isClosed(err error) bool {
	timeout, ok := err.(net.Error)
	return !ok || !timeout.Timeout()
}

func TestTenThousandIdleConnectionsDelayNobody(t *testing.T) {
	w := start(t, func(o *Options) { o.ReadTimeout = 6 * time.Second })
	w.run(t, "pets", schemas.Trigger{})
	w.send("POST", "/hook/pets", "warm")
	before := heap()
	sender := exec.Command(os.Args[0], "-test.run=^TestIdleSender$", "-test.v")
	sender.Env = append(os.Environ(), "SLUICE_TEST_IDLE="+w.edge.Addr().String())
	out, err := sender.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sender.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	waitFor := func(word string) {
		t.Helper()
		var all []string
		for said.Scan() {
			if said.Text() == word {
				return
			}
			all = append(all, said.Text())
		}
		t.Fatalf("the sender did not say %q: %v", word, all)
	}
	waitFor("connected")
	slowest := time.Duration(0)
	for range 200 {
		began := time.Now()
		if got := w.send("POST", "/hook/pets", "x"); got.status != 200 {
			t.Fatalf("beside them: %d", got.status)
		}
		slowest = max(slowest, time.Since(began))
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d KiB a connection, the slowest hook took %v", grown>>10/idleConnections, slowest)
	if slowest > time.Second {
		t.Errorf("a hook took %v", slowest)
	}
	if grown > idleConnections*40<<10 {
		t.Errorf("they take %d MiB", grown>>20)
	}
	waitFor("closed")
	_, _ = io.Copy(io.Discard, out)
	if err := sender.Wait(); err != nil {
		t.Errorf("the sender: %v", err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for left := -1; left != 0; {
		if left = w.edge.open(); left != 0 && time.Now().After(deadline) {
			t.Fatalf("%d connections are left", left)
		}
		time.Sleep(10 * time.Millisecond)
		http.DefaultClient.CloseIdleConnections()
	}
}

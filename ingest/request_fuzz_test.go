package ingest

import (
	"bytes"
	"crypto/x509"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice/schemas"
)

// FuzzRequest gives the listener whatever a stranger may write to it. It answers
// or closes, and no fault of its own is the answer.
func FuzzRequest(f *testing.F) {
	w := start(f, func(o *Options) { o.ReadTimeout, o.IdleTimeout = time.Second, time.Second })
	w.credential(f, "hub", "github", map[string]string{"secret": "sesame"})
	w.credential(f, "ada", "basic", map[string]string{"username": "ada", "password": "sesame"})
	w.run(f, "open", schemas.Trigger{Methods: everyMethod, Origins: []string{"*"}})
	w.run(f, "hub", schemas.Trigger{Credential: "hub"})
	w.run(f, "ada", schemas.Trigger{Credential: "ada"})
	for _, seed := range []string{
		"POST /hook/open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"POST /hook/hub/a?b=c HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=00\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"GET /hook/ada HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\n\r\nGET /hook/open HTTP/1.1\r\nHost: x\r\n\r\n",
		"OPTIONS /hook/open HTTP/1.1\r\nHost: x\r\nOrigin: https://a\r\nAccess-Control-Request-Method: PUT\r\nWebHook-Request-Origin: a\r\n\r\n",
		"GET /reply/0/01a21b75-6040-7322-b788-1fc1c5960001 HTTP/1.1\r\nHost: x\r\n\r\n", "POST /sample/AAAA HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /hook/open HTTP/1.0\r\n\r\n",
		"POST /hook/open HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", "\x16\x03\x01", "\r\n\r\n",
		"POST http://x:99999/hook/open HTTP/1.1\r\nHost: x\r\nForwarded: for=\"[::1]\";proto=https\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := net.Dial("tcp", w.edge.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(4 * time.Second))
		_, _ = c.Write(text)
		_ = c.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(c)
		if isTimeout(err) {
			t.Fatalf("%q: neither answered nor closed; so far %q", text, answer)
		}
		if bytes.Contains(answer, []byte("HTTP/1.1 500 ")) {
			t.Errorf("%q: %s", text, answer)
		}
	})
}

func isTimeout(err error) bool { return err != nil && !isClosed(err) }

// FuzzHeaders: what is read of headers that a stranger writes.
func FuzzHeaders(f *testing.F) {
	f.Add("for=192.0.2.60;proto=https;host=a.example, for=\"[2001:db8::1]:80\"", "gzip, br", "a=1&a=%zz", "https://user@[::1]:443/hook/f?bodySHA256=00#x")
	f.Add("proto=\"ht\\\"tps\";;,", "identity,,zstd", "%61=1", "https://api.paypal.com.evil.example/x")
	f.Add("=", "", "", "://")
	trusted := netip.MustParsePrefix("10.0.0.0/8")
	f.Fuzz(func(t *testing.T, forwardedBy, encoding, query, url string) {
		proto, host := forwarded(func(name string) [][]byte {
			if name == "Forwarded" {
				return [][]byte{[]byte(forwardedBy)}
			}
			return nil
		}, trusted.Contains)
		if proto != "" && proto != "http" && proto != "https" || strings.ContainsAny(host, "/?#@ \r\n") {
			t.Errorf("%q: %q, %q", forwardedBy, proto, host)
		}
		for _, form := range portForms(url) {
			if !strings.HasPrefix(form, strings.SplitN(url, "://", 2)[0]) {
				t.Errorf("%q becomes %q", url, form)
			}
		}
		_ = queryValues([]byte(query), "a")
		_ = decodeSome(url, ":/?@")
		_, _ = parseTimestamp(query)
		if err := checkAddress(url, "paypal.com"); err == nil {
			rest, ok := strings.CutPrefix(strings.ToLower(url), "https://")
			host, _, _ = strings.Cut(rest, "/")
			host, _, _ = strings.Cut(host, "?")
			host = strings.TrimSuffix(host, ":443")
			host = strings.TrimSuffix(host, ":")
			if !ok || host != "paypal.com" && !strings.HasSuffix(host, ".paypal.com") {
				t.Errorf("%q would be fetched", url)
			}
		}
	})
}

// FuzzDecoders: bytes that are said to be encoded end, with an error or without.
func FuzzDecoders(f *testing.F) {
	f.Add("gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x01\x00\xfe\xffa\x43\xbe\xb7\xe8\x01\x00\x00\x00"))
	f.Add("deflate", []byte("x\x9c\x01\x01\x00\xfe\xffa\x00b\x00b"))
	f.Add("deflate", []byte("\x01\x01\x00\xfe\xffa"))
	f.Add("br", []byte("\x0b\x00\x80a\x03"))
	f.Add("zstd", []byte("\x28\xb5\x2f\xfd\x04\x00\x09\x00\x00a"))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		const most = 1 << 20
		switch name {
		case "gzip", "deflate", "br", "zstd":
		default:
			return
		}
		r, release, err := decode(bytes.NewReader(text), []string{name})
		defer release()
		if err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(r, most))
		}
	})
}

// FuzzCertificate: what a certificate's address may hold. No root is trusted
// here, and so is no certificate.
func FuzzCertificate(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"))
	f.Add([]byte(""))
	nobody := NewCertificates(nil, x509.NewCertPool())
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := nobody.trusted(text, "paypal.com", time.Unix(1_700_000_000, 0)); err == nil {
			t.Errorf("%q is trusted", text)
		}
		_, _ = parsePublicKey("rsa", string(text))
	})
}

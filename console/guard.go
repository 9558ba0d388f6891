package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"
)

// guard stands before every route: it answers a panic, keeps other sites' pages
// in a browser away, and demands the token.
func (c *Console) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, &Problem{Status: http.StatusForbidden, Detail: "the request comes from a page of another site"})
	}))
	next = cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				c.log.Error("answering an API request panicked", "path", r.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
				writeProblem(w, &Problem{Status: http.StatusInternalServerError, Detail: "a fault of Sluice; its log says more"})
			}
		}()
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if c.opts.Token == "" && !c.knownHost(r.Host) {
			// A page of another site may have its name point to 127.0.0.1.
			writeProblem(w, &Problem{Status: http.StatusMisdirectedRequest, Detail: "the console is not known by that name",
				Remedy: "call it by its address or as localhost, or set SLUICE_API_TOKEN"})
			return
		}
		if strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != sessionPath && !c.authorized(r) {
			h.Set("WWW-Authenticate", `Bearer realm="sluice"`)
			writeProblem(w, &Problem{Status: http.StatusUnauthorized, Detail: "the API wants a token",
				Remedy: "send `Authorization: Bearer TOKEN`, the server's SLUICE_API_TOKEN"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *Console) authorized(r *http.Request) bool {
	if c.opts.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return c.isToken(strings.TrimSpace(token))
	}
	return c.inSession(r, time.Now()) && ownPage(r)
}

func (c *Console) isToken(token string) bool {
	// Hashed, so that the comparison's time tells nothing of the length either.
	have, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(c.opts.Token))
	return subtle.ConstantTimeCompare(have[:], want[:]) == 1
}

func (c *Console) knownHost(hostport string) bool {
	host := hostOf(hostport)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "" {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == hostOf(c.opts.Addr)
}

func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return strings.ToLower(host)
}

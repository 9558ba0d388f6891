package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A browser exchanges the token once for a session: a cookie that no script can
// read. It holds when it ends and a MAC keyed by the token, so that nothing is
// kept here, every process of one token takes it, and a new token ends it.
const sessionAge = 30 * 24 * time.Hour

const (
	secureCookie = "__Host-sluice"
	// plainCookie is for http, where a browser keeps no __Host- cookie.
	plainCookie = "sluice-session"
	sessionPath = "/api/v1/session"
)

func overTLS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func cookieName(r *http.Request) string {
	if overTLS(r) {
		return secureCookie
	}
	return plainCookie
}

func (c *Console) sessionMAC(until string) string {
	key := sha256.Sum256([]byte("sluice session\x00" + c.opts.Token))
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(until))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// inSession reports whether a request carries a session of this token.
func (c *Console) inSession(r *http.Request, now time.Time) bool {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return false
	}
	until, mac, _ := strings.Cut(cookie.Value, ".")
	if !hmac.Equal([]byte(mac), []byte(c.sessionMAC(until))) {
		return false
	}
	seconds, err := strconv.ParseInt(until, 10, 64)
	return err == nil && now.Before(time.Unix(seconds, 0))
}

// ownPage reports whether a request says that a page of this console sent it. A
// session alone, which a browser adds by itself, changes nothing without that.
func ownPage(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host != "" && origin.Host == r.Host
}

// session answers whether a token is wanted and given, takes one in exchange
// for a session, and ends one.
func (c *Console) session(w http.ResponseWriter, r *http.Request) {
	cookie := &http.Cookie{Name: cookieName(r), Path: "/", HttpOnly: true, Secure: overTLS(r), SameSite: http.SameSiteStrictMode}
	switch r.Method {
	case http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]bool{"required": c.opts.Token != "", "signedIn": c.authorized(r)})
	case http.MethodPost:
		if !ownPage(r) {
			writeProblem(w, &Problem{Status: http.StatusForbidden, Detail: "a session is for the console's own pages", Remedy: "send the token as `Authorization: Bearer TOKEN` instead"})
			return
		}
		var body struct {
			Token string `json:"token"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&body); err != nil || !c.isToken(body.Token) {
			writeProblem(w, &Problem{Status: http.StatusUnauthorized, Detail: "that is not the token", Remedy: "it is what SLUICE_API_TOKEN was when the server started"})
			return
		}
		until := time.Now().Add(sessionAge)
		cookie.Value, cookie.Expires = strconv.FormatInt(until.Unix(), 10), until
		cookie.Value += "." + c.sessionMAC(cookie.Value)
		http.SetCookie(w, cookie)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodDelete:
		cookie.MaxAge = -1
		http.SetCookie(w, cookie)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		writeProblem(w, &Problem{Status: http.StatusMethodNotAllowed, Detail: "the path has no " + r.Method, Remedy: "it has GET, POST, DELETE"})
	}
}

package alerts

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/connectors/outgoing"
	"sluice/schemas"
)

// mailServer speaks as much of RFC 5321 as a client needs, and takes no mail
// while refuse is set.
type mailServer struct {
	mu     sync.Mutex
	refuse bool
	mails  []string
}

func newMailServer(t *testing.T) (*mailServer, map[string]string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := &mailServer{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	return s, map[string]string{"host": host, "port": port, "security": "none", "username": "alerts@example.com", "password": "hush"}
}

func (s *mailServer) serve(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "220 mail\r\n")
	var mail strings.Builder
	data := false
	for in := bufio.NewScanner(conn); in.Scan(); {
		line := in.Text()
		word, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case data && line == ".":
			data = false
			s.mu.Lock()
			s.mails = append(s.mails, mail.String())
			s.mu.Unlock()
			fmt.Fprint(conn, "250 taken\r\n")
		case data:
			mail.WriteString(line + "\n")
		case word == "EHLO":
			fmt.Fprint(conn, "250-mail\r\n250 AUTH PLAIN\r\n")
		case word == "AUTH":
			fmt.Fprint(conn, "235 welcome\r\n")
		case word == "DATA":
			s.mu.Lock()
			data = !s.refuse
			s.mu.Unlock()
			if data {
				fmt.Fprint(conn, "354 go on\r\n")
			} else {
				fmt.Fprint(conn, "451 later\r\n")
			}
		default:
			mail.WriteString(line + "\n")
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}

func (s *mailServer) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

func TestAnEMailIsSentOnceForEachOpening(t *testing.T) {
	server, values := newMailServer(t)
	m := &memory{secret: values}
	m.save(t, "SELECT 9", 3)
	rule := m.Alert("a").AlertRule
	rule.Note = "call Gromit"
	rule.Destination = schemas.AlertDestination{Type: "email", To: []string{"Gromit <gromit@example.com>", "wallace@example.com"}, Credential: "mail"}
	if err := rule.Check(); err != nil {
		t.Fatal(err)
	}
	for _, ch := range []schemas.Change{
		{Type: schemas.CredentialSaved, Credential: &schemas.Credential{ID: "mail", Uses: "email", Type: "smtp"}},
		{Type: schemas.AlertSaved, AlertID: "a", Expect: m.Alert("a").Revision, Alert: &rule},
	} {
		if _, err := m.Append(t.Context(), ch); err != nil {
			t.Fatal(err)
		}
	}
	e := newEvaluator(t, m)
	e.opts.Env.Dial = outgoing.NewDial(outgoing.Options{AllowLoopback: true})
	now := time.Now()
	see := func(mails int) {
		t.Helper()
		for range 3 {
			now = now.Add(10 * time.Minute)
			e.see(t.Context(), m.Alert("a"), now)
		}
		if all := server.taken(); len(all) != mails {
			t.Fatalf("%d mails, want %d; failure %q", len(all), mails, m.Alert("a").Failure)
		}
	}
	server.refuse = true
	see(0)
	if why := m.Alert("a").Failure; !strings.Contains(why, "451") || strings.Contains(why, "hush") {
		t.Errorf("why not: %q", why)
	}
	server.mu.Lock()
	server.refuse = false
	server.mu.Unlock()
	see(1)
	for _, part := range []string{"RCPT TO:<gromit@example.com>", "RCPT TO:<wallace@example.com>", "alerts@example.com", "Alert a: q is 9", "call Gromit", "Message-I"} {
		if !strings.Contains(server.taken()[0], part) {
			t.Errorf("the mail has no %q:\n%s", part, server.taken()[0])
		}
	}
	query := func(sql string) {
		t.Helper()
		if _, err := m.Append(t.Context(), schemas.Change{Type: schemas.QuerySaved, QueryID: "q", Expect: m.SavedQuery("q").Revision, Query: &schemas.SavedQuery{SQL: sql}}); err != nil {
			t.Fatal(err)
		}
	}
	query("SELECT 1") // resolved, and opened again
	see(1)
	query("SELECT 9")
	see(2)
	if m.Alert("a").Notified.IsZero() || m.Alert("a").Opening != 2 {
		t.Errorf("in the end: %+v", m.Alert("a"))
	}
}

func TestAnEMailsRuleIsChecked(t *testing.T) {
	for _, d := range []schemas.AlertDestination{
		{Type: "email", To: []string{"gromit@example.com"}}, {Type: "email", Credential: "mail"},
		{Type: "email", Credential: "mail", To: []string{"gromit"}}, {Type: "email", Credential: "mail", To: []string{"g@example.com"}, From: "x\r\nBcc: y"},
	} {
		rule := schemas.AlertRule{Query: "q", When: ">", Destination: d}
		if rule.Check() == nil {
			t.Errorf("%+v is let through", d)
		}
	}
}

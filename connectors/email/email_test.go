package email

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// server speaks as much of RFC 5321 as a client needs, and answers a command as the test says.
func server(t *testing.T, answers map[string]string) (*connectors.Credential, <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	said := make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewScanner(conn)
				fmt.Fprint(conn, "220 mail\r\n")
				var all strings.Builder
				data := false
				for in.Scan() {
					line := in.Text()
					all.WriteString(line + "\n")
					word, _, _ := strings.Cut(strings.ToUpper(line), " ")
					switch answer := answers[word]; {
					case data && line == ".":
						data = false
						said <- all.String()
						fmt.Fprint(conn, "250 taken\r\n")
					case data:
					case answer != "":
						fmt.Fprint(conn, answer+"\r\n")
					case word == "EHLO":
						fmt.Fprint(conn, "250-mail\r\n250 AUTH PLAIN\r\n")
					case word == "AUTH":
						fmt.Fprint(conn, "235 welcome\r\n")
					case word == "DATA":
						data = true
						fmt.Fprint(conn, "354 go on\r\n")
					default:
						fmt.Fprint(conn, "250 ok\r\n")
					}
				}
			}()
		}
	}()
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	return &connectors.Credential{Type: "smtp", Values: map[string]string{"host": host, "port": port, "security": "none", "username": "shop", "password": "s3cret-word"}}, said
}

func env() connectors.Env {
	return connectors.Env{Dial: outgoing.NewDial(outgoing.Options{AllowLoopback: true})}
}

func TestAMailIsSent(t *testing.T) {
	if _, err := connectors.New(Connector()); err != nil {
		t.Fatal(err)
	}
	c, said := server(t, nil)
	if err := verify(t.Context(), env(), c.Values); err != nil {
		t.Errorf("verifying: %v", err)
	}
	result, err := send(t.Context(), env(), connectors.Call{
		Input:      json.RawMessage(`{"from":"Shop <shop@example.com>","to":["a@example.com","B <b@example.com>"],"bcc":"c@example.com","subject":"Grüße","text":"one\n.\ntwo","html":"<b>é</b>"}`),
		Credential: c, IdempotencyKey: "k", Attempt: 1,
	})
	if err != nil || !strings.Contains(string(result.Output), `"recipients":3`) {
		t.Fatalf("%s, %v", result.Output, err)
	}
	mail := <-said
	for _, want := range []string{
		"MAIL FROM:<shop@example.com>", "RCPT TO:<c@example.com>", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "multipart/alternative", "<b>=C3=A9</b>", "\n..\n",
	} {
		if !strings.Contains(mail, want) {
			t.Errorf("%q is missing in %s", want, mail)
		}
	}
	if strings.Contains(mail, "Bcc") {
		t.Error("the hidden recipients are shown")
	}
}

func TestWhatFailsSaysWhyAndNoSecret(t *testing.T) {
	const good = `{"from":"a@example.com","to":"b@example.com","subject":"s","text":"t"}`
	for name, c := range map[string]struct {
		answers map[string]string
		input   string
		change  map[string]string
		kind    connectors.Kind
		retry   connectors.Retry
	}{
		"wrong password":      {map[string]string{"AUTH": "535 no s3cret-word"}, good, nil, connectors.KindCredential, connectors.RetryNever},
		"no such person":      {map[string]string{"RCPT": "550 unknown"}, good, nil, connectors.KindInput, connectors.RetryNever},
		"busy":                {map[string]string{"MAIL": "451 later"}, good, nil, connectors.KindNetwork, connectors.RetryByPolicy},
		"no TLS":              {nil, good, map[string]string{"security": "starttls"}, connectors.KindCredential, connectors.RetryNever},
		"a header in subject": {nil, `{"from":"a@example.com","to":"b@example.com","subject":"s\r\nBcc: x@example.com"}`, nil, connectors.KindInput, connectors.RetryNever},
		"a header in to":      {nil, `{"from":"a@example.com","to":"b@example.com\r\nRCPT TO:<x@example.com>","subject":"s"}`, nil, connectors.KindInput, connectors.RetryNever},
	} {
		t.Run(name, func(t *testing.T) {
			credential, said := server(t, c.answers)
			for k, v := range c.change {
				credential.Values[k] = v
			}
			_, err := send(t.Context(), env(), connectors.Call{Input: json.RawMessage(c.input), Credential: credential, Attempt: 1})
			e := connectors.AsError(err)
			if e == nil || e.Kind != c.kind || e.Retry != c.retry || e.Sent || strings.Contains(e.Message, "s3cret") {
				t.Errorf("%+v", err)
			}
			if len(said) != 0 {
				t.Error("a mail was sent")
			}
		})
	}
	credential, _ := server(t, nil)
	_, err := send(t.Context(), connectors.Env{Dial: outgoing.NewDial(outgoing.Options{})}, connectors.Call{Input: json.RawMessage(good), Credential: credential, Attempt: 1})
	if e := connectors.AsError(err); e == nil || e.Kind != connectors.KindBlocked {
		t.Errorf("a blocked address: %v", err)
	}
}

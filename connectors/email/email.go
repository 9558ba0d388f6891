// Package email is the connector that sends mail by SMTP (RFC 5321): email/send.
package email

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"sluice/connectors"
	"sluice/connectors/outgoing"
)

// Connector returns the email connector.
func Connector() connectors.Connector {
	return connectors.Connector{
		Name: "email", Title: "E-mail", Summary: "Sends mail by an SMTP server.",
		Credentials: []connectors.CredentialType{{Name: "smtp", Title: "SMTP server", Schema: json.RawMessage(serverSchema), Verify: verify}},
		Components: []connectors.Component{{
			Name: "email/send", Title: "Send a mail", Summary: "Sends one mail. A repeat has the same Message-ID.",
			Effect: connectors.Neither, NeedsCredential: true,
			Input: json.RawMessage(sendSchema), Output: json.RawMessage(sentSchema), Do: send,
		}},
	}
}

const (
	serverSchema = `{
  "type": "object", "required": ["host"], "additionalProperties": false,
  "properties": {
    "host": {"type": "string", "title": "Host", "minLength": 1, "pattern": "^[^\\s:/]+$", "description": "a name or address", "examples": ["smtp.example.com"]},
    "port": {"type": "string", "title": "Port", "pattern": "^[0-9]{1,5}$", "default": "587"},
    "security": {"type": "string", "title": "Security", "enum": ["starttls", "tls", "none"], "default": "starttls"},
    "username": {"type": "string", "title": "User name"},
    "password": {"type": "string", "title": "Password", "format": "password", "writeOnly": true}
  }
}`
	addresses  = `"description": "one address, or a list of them", "anyOf": [{"type": "string", "minLength": 3}, {"type": "array", "minItems": 1, "maxItems": 100, "items": {"type": "string", "minLength": 3}}], "examples": ["Gromit <gromit@example.com>"]`
	sendSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["from", "to", "subject"], "additionalProperties": false,
  "properties": {
    "from": {"type": "string", "title": "From", "minLength": 3, "examples": ["Shop <shop@example.com>"]},
    "to": {"title": "To", ` + addresses + `},
    "cc": {"title": "Cc", ` + addresses + `},
    "bcc": {"title": "Bcc", ` + addresses + `},
    "replyTo": {"type": "string", "title": "Reply to"},
    "subject": {"type": "string", "title": "Subject", "maxLength": 2000},
    "text": {"type": "string", "title": "Text"},
    "html": {"type": "string", "title": "HTML"}
  }
}`
	sentSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "required": ["messageId"],
  "properties": {"messageId": {"type": "string", "title": "Message ID", "examples": ["<0f1e@sluice>"]}, "recipients": {"type": "integer", "title": "Recipients", "examples": [1]}}
}`
)

type input struct {
	From, ReplyTo, Subject, Text, HTML string
	To, Cc, Bcc                        list
}

// list is one text or several.
type list []string

func (l *list) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(l))
}

func send(ctx context.Context, env connectors.Env, call connectors.Call) (connectors.Result, error) {
	const doing = "sending the mail"
	var in input
	if err := json.Unmarshal(call.Input, &in); err != nil {
		return connectors.Result{}, connectors.BadInput("%s: the input cannot be read", doing)
	}
	sum := sha256.Sum256([]byte(call.IdempotencyKey))
	id := "<" + hex.EncodeToString(sum[:16]) + "@sluice>"
	from, recipients, message, err := in.compose(id, env.Clock())
	if err != nil {
		return connectors.Result{}, connectors.BadInput("%s: %v", doing, err)
	}
	err = session(ctx, env, call.Credential, doing, func(c *smtp.Client, sent *bool) error {
		if err := c.Mail(from); err != nil {
			return err
		}
		for _, to := range recipients {
			if err := c.Rcpt(to); err != nil {
				return err
			}
		}
		w, err := c.Data()
		if err != nil {
			return err
		}
		if _, err := w.Write(message); err != nil {
			return err
		}
		*sent = true // from here on the server may have taken it
		return w.Close()
	})
	if err != nil {
		return connectors.Result{}, err
	}
	output, err := json.Marshal(map[string]any{"messageId": id, "recipients": len(recipients)})
	return connectors.Result{Output: output}, err
}

func verify(ctx context.Context, env connectors.Env, values map[string]string) error {
	return session(ctx, env, &connectors.Credential{Type: "smtp", Values: values}, "asking the mail server", func(c *smtp.Client, _ *bool) error { return c.Noop() })
}

// session connects, secures the connection, signs in, and does what is to be done.
func session(ctx context.Context, env connectors.Env, c *connectors.Credential, doing string, do func(*smtp.Client, *bool) error) error {
	host, port := c.Value("host"), c.Value("port")
	if host == "" {
		return connectors.BadCredential("%s: the credential has no host: enter it", doing)
	}
	if port == "" {
		port = "587"
	}
	sent := false
	fail := func(err error) error {
		e := *outgoing.ErrorOf(err)
		e.Sent = sent
		if ctx.Err() != nil {
			e = *connectors.AsError(ctx.Err())
			e.Sent = sent
		}
		var said *textproto.Error
		if errors.As(err, &said) {
			e.Kind, e.Message = connectors.KindNetwork, fmt.Sprintf("the server answered %d %s", said.Code, said.Msg)
			switch {
			case said.Code == 530 || said.Code == 534 || said.Code == 535:
				e.Kind, e.Retry = connectors.KindCredential, connectors.RetryNever
			case said.Code >= 500:
				e.Kind, e.Retry = connectors.KindInput, connectors.RetryNever
			}
		}
		e.Message = outgoing.Blank(doing+": "+host+": "+e.Message, []string{c.Value("password")})
		return &e
	}
	conn, err := env.Dialer()(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return fail(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	settings := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	security := c.Value("security")
	if security == "tls" {
		conn = tls.Client(conn, settings)
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return fail(err)
	}
	defer client.Close()
	if security == "" || security == "starttls" {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return connectors.BadCredential("%s: %s offers no STARTTLS: choose another security, and send no password in the clear", doing, host)
		}
		if err := client.StartTLS(settings); err != nil {
			return fail(err)
		}
	}
	if user := c.Value("username"); user != "" {
		if err := client.Auth(smtp.PlainAuth("", user, c.Value("password"), host)); err != nil {
			var said *textproto.Error
			if !errors.As(err, &said) && ctx.Err() == nil {
				return connectors.BadCredential("%s: signing in: %v", doing, outgoing.Blank(err.Error(), []string{c.Value("password")}))
			}
			return fail(err)
		}
	}
	if err := do(client, &sent); err != nil {
		return fail(err)
	}
	_ = client.Quit()
	return nil
}

// compose writes the mail (RFC 5322). No text can add a header: addresses are parsed, and the subject is encoded.
func (in input) compose(id string, now time.Time) (from string, recipients []string, message []byte, err error) {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	address := func(name, text string) (*mail.Address, error) {
		a, err := mail.ParseAddress(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return nil, fmt.Errorf("%s: write an address such as Gromit <gromit@example.com>", name)
		}
		return a, nil
	}
	sender, err := address("from", in.From)
	if err != nil {
		return "", nil, nil, err
	}
	header("From", sender.String())
	for _, field := range []struct {
		name   string
		header string
		list   list
	}{{"to", "To", in.To}, {"cc", "Cc", in.Cc}, {"bcc", "", in.Bcc}} {
		var shown []string
		for _, text := range field.list {
			a, err := address(field.name, text)
			if err != nil {
				return "", nil, nil, err
			}
			recipients, shown = append(recipients, a.Address), append(shown, a.String())
		}
		if field.header != "" && len(shown) > 0 {
			header(field.header, strings.Join(shown, ",\r\n "))
		}
	}
	if len(recipients) == 0 {
		return "", nil, nil, errors.New("to: give an address")
	}
	if in.ReplyTo != "" {
		a, err := address("replyTo", in.ReplyTo)
		if err != nil {
			return "", nil, nil, err
		}
		header("Reply-To", a.String())
	}
	if strings.ContainsAny(in.Subject, "\r\n\x00") {
		return "", nil, nil, errors.New("subject: holds a line break: remove it")
	}
	header("Subject", mime.QEncoding.Encode("utf-8", in.Subject))
	header("Date", now.UTC().Format(time.RFC1123Z))
	header("Message-ID", id)
	header("MIME-Version", "1.0")
	if in.HTML == "" || in.Text == "" {
		kind, text := "text/plain", in.Text
		if in.HTML != "" {
			kind, text = "text/html", in.HTML
		}
		header("Content-Type", kind+"; charset=utf-8")
		header("Content-Transfer-Encoding", "quoted-printable")
		b.WriteString("\r\n")
		quoted(&b, text)
		return sender.Address, recipients, b.Bytes(), nil
	}
	w := multipart.NewWriter(&b)
	header("Content-Type", `multipart/alternative; boundary="`+w.Boundary()+`"`)
	b.WriteString("\r\n")
	for _, part := range []struct{ kind, text string }{{"text/plain", in.Text}, {"text/html", in.HTML}} {
		p, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {part.kind + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
		if err != nil {
			return "", nil, nil, err
		}
		var text bytes.Buffer
		quoted(&text, part.text)
		_, _ = p.Write(text.Bytes())
	}
	_ = w.Close()
	return sender.Address, recipients, b.Bytes(), nil
}

func quoted(b *bytes.Buffer, text string) {
	w := quotedprintable.NewWriter(b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
}

package main

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/console/cli"
	"sluice/ingest"
)

// verification is one signed request to look at, and how it should be signed.
type verification struct {
	kind             string
	secret, previous string
	at               time.Time
	url, method      string
	headers          map[string][][]byte // by lower-case name
	body             []byte
	values           map[string]string // of the generic types hmac, basic and apiKey
	tolerance        time.Duration
}

// verdict is what came of it. Reason is for a person and holds no secret.
type verdict struct {
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason"`
}

func verifyCommand() *cobra.Command {
	var v verification
	var at, body, output, certificate string
	var headers []string
	v.values = map[string]string{}
	text := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "verify --type TYPE --secret SECRET --header 'NAME: VALUE'… --body FILE",
		Short: "Say whether a request's signature is accepted, and why not",
		Long: "Checks a request with the code that the edge runs: exit status 0 when it is accepted, 1 when it is\n" +
			"rejected, with the reason. Types: " + strings.Join(append(ingest.PresetNames(), "gitlab", "hmac", "basic", "apiKey"), ", ") + ".",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := v.read(cmd.InOrStdin(), at, body, headers); err != nil {
				return cli.UsageError(err)
			}
			for name, value := range text {
				v.values[name] = *value
			}
			if certificate != "" {
				pem, err := os.ReadFile(certificate)
				if err != nil {
					return cli.UsageError(fmt.Errorf("--certificate: %w", err))
				}
				v.values["certificate"] = string(pem)
			}
			result, err := v.check()
			switch {
			case err != nil && v.secret == "" && v.previous == "" && cmd.Flags().Changed("secret"):
				result = verdict{false, "the secret is empty: a credential without one opens to nobody"}
			case err != nil:
				return cli.UsageError(err)
			}
			if output == "json" {
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(result); err != nil {
					return err
				}
			} else if result.Accepted {
				fmt.Fprintln(cmd.OutOrStdout(), "accepted: "+result.Reason)
			}
			if !result.Accepted {
				return errors.New("rejected: " + result.Reason)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&v.kind, "type", "", "the credential's type")
	f.StringVar(&v.secret, "secret", "", "the secret that the sender signs with; the public key, or what else the type goes by")
	f.StringVar(&v.previous, "previous-secret", "", "a second secret that is valid as well")
	f.StringVar(&at, "at", "", "when the request came: RFC 3339 or Unix seconds (default now)")
	f.DurationVar(&v.tolerance, "tolerance", 0, "how far a timestamp may be from then (default the type's)")
	f.StringVar(&v.url, "url", "", "the URL as the sender called it")
	f.StringVar(&v.method, "method", "POST", "the method")
	f.StringArrayVar(&headers, "header", nil, "a header of the request, `NAME: VALUE`; may be given more than once")
	f.StringVar(&body, "body", "", "the `FILE` with the raw body, - for standard input (default: no body)")
	f.StringVar(&certificate, "certificate", "", "type paypal: the `FILE` with the certificate, in place of the one that PayPal names")
	f.StringVar(&output, "output", "table", "table or json")
	for flag, s := range map[string]struct{ key, help string }{
		"header-name":      {"header", "type hmac: the header with the signature; type apiKey: the header with the key"},
		"algorithm":        {"algorithm", "type hmac: sha1, sha256 or sha512"},
		"encoding":         {"encoding", "type hmac: hex or base64"},
		"prefix":           {"prefix", "type hmac: what stands before the signature"},
		"template":         {"template", "type hmac: what is signed, such as {timestamp}.{body}"},
		"timestamp-header": {"timestampHeader", "type hmac: the header with the time of sending"},
		"username":         {"username", "type basic: the user name; --secret is the password"},
	} {
		text[s.key] = f.String(flag, "", s.help)
	}
	return cmd
}

// read takes in what the flags name.
func (v *verification) read(stdin io.Reader, at, body string, headers []string) error {
	if v.kind == "" {
		return errors.New("--type is missing: say which credential type to check by")
	}
	v.at = time.Now()
	if at != "" {
		var unix int64
		if _, err := fmt.Sscanf(at, "%d", &unix); err == nil && strings.Trim(at, "0123456789") == "" {
			v.at = time.Unix(unix, 0)
		} else if v.at, err = time.Parse(time.RFC3339, at); err != nil {
			return fmt.Errorf("--at: want a time such as 2026-01-31T12:00:00Z or Unix seconds, have %q", at)
		}
	}
	v.headers = map[string][][]byte{}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || name == "" {
			return fmt.Errorf("--header: want NAME: VALUE, have %q", name)
		}
		name = strings.ToLower(strings.TrimSpace(name))
		v.headers[name] = append(v.headers[name], []byte(strings.TrimSpace(value)))
	}
	var err error
	switch body {
	case "":
	case "-":
		v.body, err = io.ReadAll(stdin)
	default:
		v.body, err = os.ReadFile(body)
	}
	if err != nil {
		return fmt.Errorf("--body: %w", err)
	}
	return nil
}

func (v *verification) header(name string) [][]byte { return v.headers[strings.ToLower(name)] }

// check says whether the edge would accept the request. The error is one of
// how the command was called.
func (v *verification) check() (verdict, error) {
	switch v.kind {
	case "none":
		return verdict{true, "there is nothing to prove"}, nil
	case "basic":
		as := func(password string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(v.values["username"]+":"+password))
		}
		return v.once("Authorization", as, "user name or password is wrong"), nil
	case "gitlab":
		return v.once(ingest.GitLabToken, asItIs, "it is not the secret"), nil
	case "apiKey":
		if v.values["header"] == "" {
			return verdict{}, errors.New("--header-name is missing: say which header holds the key")
		}
		return v.once(v.values["header"], asItIs, "it is not the key"), nil
	}
	scheme, known := ingest.Preset(v.kind)
	if v.kind == "hmac" {
		var err error
		if scheme, err = ingest.HMACScheme(v.values); err != nil {
			return verdict{}, err
		}
	} else if !known {
		return verdict{}, fmt.Errorf("--type: there is no type %q", v.kind)
	}
	scheme.Certificate = v.values["certificate"]
	if v.tolerance > 0 && scheme.Stamped() {
		scheme.Tolerance = v.tolerance
	}
	err := v.try(scheme, v.secret, v.previous)
	if err == nil {
		return verdict{true, v.which(scheme)}, nil
	}
	var unproven *ingest.Unproven
	if !errors.As(err, &unproven) {
		return verdict{}, err // of the secret, or of the scheme
	}
	return verdict{false, unproven.Detail + v.explain(scheme, unproven.Reason)}, nil
}

func asItIs(secret string) string { return secret }

// once checks a header that has to be there once, with what is made of a secret.
func (v *verification) once(name string, want func(secret string) string, wrong string) verdict {
	values := v.header(name)
	switch {
	case len(values) == 0:
		return verdict{false, "the header " + name + " is missing"}
	case len(values) > 1:
		return verdict{false, "the header " + name + " is there more than once"}
	case v.secret != "" && subtle.ConstantTimeCompare(values[0], []byte(want(v.secret))) == 1:
		return verdict{true, "the header " + name + " is right"}
	case v.previous != "" && subtle.ConstantTimeCompare(values[0], []byte(want(v.previous))) == 1:
		return verdict{true, "the header " + name + " is that of the previous secret"}
	}
	return verdict{false, "the header " + name + " is there, and " + wrong}
}

func (v *verification) message() ingest.Message {
	return ingest.Message{Method: v.method, URL: v.url, Header: v.header, Body: v.body}
}

func (v *verification) try(scheme ingest.Scheme, secrets ...string) error {
	verifier, err := scheme.Verifier(secrets...)
	if err != nil {
		return err
	}
	return verifier.Verify(v.message(), v.at)
}

// which says by which secret a request was accepted.
func (v *verification) which(scheme ingest.Scheme) string {
	if v.previous != "" && v.try(scheme, v.secret) != nil {
		return "the signature is that of the previous secret"
	}
	switch {
	case scheme.Header != "":
		return "the signature in " + scheme.Header + " is right"
	case scheme.SignatureField != "":
		return "the signature in the body's " + scheme.SignatureField + " is right"
	}
	return "what the body carries to prove itself is right"
}

// explain looks for the mistake: it changes one thing after the other, and
// names the first one that makes the signature right.
func (v *verification) explain(scheme ingest.Scheme, reason ingest.Reason) string {
	anyTime := scheme
	anyTime.Tolerance = 0
	if reason == ingest.ReasonTimestamp {
		if v.try(anyTime, v.secret, v.previous) == nil {
			return "; the signature itself is right: give the time it came at with --at, or a longer --tolerance"
		}
		return ""
	}
	if reason != ingest.ReasonSignature {
		return v.explainForm(scheme)
	}
	if v.url == "" && strings.Contains(scheme.Template, "{url}") {
		return "; the URL is part of what is signed: give it with --url, as the sender called it"
	}
	for _, m := range v.mistakes(anyTime) {
		changed := *v
		if m.body != nil {
			changed.body = m.body
		}
		if m.url != "" {
			changed.url = m.url
		}
		if m.secret == "" {
			m.secret = v.secret
		}
		if m.scheme.Header == "" {
			m.scheme = anyTime
		}
		if changed.try(m.scheme, m.secret) == nil {
			return "; the signature is right " + m.what
		}
	}
	return "; it fits no usual mistake: is it the secret of this very endpoint, and the body byte for byte as it came?"
}

type mistake struct {
	what   string
	body   []byte
	url    string
	secret string
	scheme ingest.Scheme
}

func (v *verification) mistakes(scheme ingest.Scheme) []mistake {
	list := []mistake{
		{what: "for the body without its trailing newline", body: cut(bytes.TrimRight(v.body, "\r\n"))},
		{what: "for the body with a newline behind it", body: append(bytes.Clone(v.body), '\n')},
		{what: "for the body with LF in place of CRLF", body: cut(bytes.ReplaceAll(v.body, []byte("\r\n"), []byte("\n")))},
		{what: "for the body with CRLF in place of LF", body: cut(bytes.ReplaceAll(v.body, []byte("\n"), []byte("\r\n")))},
		{what: "for an empty body", body: []byte{}},
		{what: "for the secret without the white space around it", secret: strings.TrimSpace(v.secret)},
	}
	var compact, indented bytes.Buffer
	if json.Compact(&compact, v.body) == nil {
		list = append(list, mistake{what: "for the body as compact JSON: what was signed was written differently", body: compact.Bytes()})
	}
	for _, indent := range []string{"  ", "    ", "\t"} {
		indented.Reset()
		if json.Indent(&indented, bytes.TrimSpace(v.body), "", indent) == nil {
			list = append(list, mistake{what: "for the body as indented JSON: what was signed was written differently", body: bytes.Clone(indented.Bytes())})
		}
	}
	if decoded, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(v.secret, "whsec_")); err == nil && len(decoded) > 0 && scheme.SecretEncoding == "" {
		list = append(list, mistake{what: "for the secret decoded from base64", secret: string(decoded)})
	}
	if rest, ok := strings.CutPrefix(v.secret, "whsec_"); ok && scheme.SecretPrefix == "" && rest != "" {
		list = append(list, mistake{what: "for the secret without whsec_", secret: rest})
	}
	if scheme.SecretEncoding == "base64" {
		plain := scheme
		plain.SecretEncoding, plain.SecretPrefix = "", ""
		list = append(list, mistake{what: "for the secret as plain text: the sender does not decode it from base64", scheme: plain})
	}
	if strings.Contains(scheme.Template, "{url}") && v.url != "" {
		list = append(list,
			mistake{what: "for the URL with a slash at its end", url: v.url + "/"},
			mistake{what: "for the URL without the slash at its end", url: strings.TrimSuffix(v.url, "/")},
			mistake{what: "for the URL with https: set SLUICE_PUBLIC_URL", url: strings.Replace(v.url, "http://", "https://", 1)},
			mistake{what: "for the URL with http", url: strings.Replace(v.url, "https://", "http://", 1)})
	}
	if v.previous != "" {
		list = append(list, mistake{what: "for the previous secret", secret: v.previous})
	}
	return list
}

// cut keeps an empty body apart from no change.
func cut(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// explainForm says what a signature that cannot be read may be.
func (v *verification) explainForm(scheme ingest.Scheme) string {
	if scheme.Header == "" || len(v.header(scheme.Header)) == 0 {
		for _, name := range ingest.PresetNames() {
			other, _ := ingest.Preset(name)
			if other.Header != "" && other.Header != scheme.Header && len(v.header(other.Header)) == 1 {
				return fmt.Sprintf("; there is %s, which %s sends: is --type right?", other.Header, name)
			}
		}
		return ""
	}
	for _, algorithm := range []string{"sha1", "sha256", "sha512"} {
		for _, encoding := range []string{"hex", "base64"} {
			for _, prefix := range []string{scheme.Prefix, "", algorithm + "="} {
				other := scheme
				other.Algorithm, other.Encoding, other.Prefix, other.Tolerance = algorithm, encoding, prefix, 0
				if v.try(other, v.secret, v.previous) == nil {
					return fmt.Sprintf("; it is right as %s in %s with the prefix %q, where %s in %s with %q is wanted",
						algorithm, encoding, prefix, scheme.Algorithm, scheme.Encoding, scheme.Prefix)
				}
			}
		}
	}
	return ""
}

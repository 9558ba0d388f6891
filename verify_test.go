package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"sluice/console/cli"
)

// verify runs the command in this process.
func verify(t *testing.T, body string, args ...string) (out string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	root := &cobra.Command{Use: "sluice"}
	root.AddCommand(verifyCommand())
	var b bytes.Buffer
	root.SetOut(&b)
	root.SetErr(&b)
	root.SetArgs(append([]string{"verify", "--body", path}, args...))
	code = cli.Run(t.Context(), root)
	return b.String(), code
}

func TestVerifySaysWhyASignatureIsRejected(t *testing.T) {
	const secret = "the-secret-of-the-test"
	sum := func(text string) []byte {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	hexOf := func(text string) string { return hex.EncodeToString(sum(text)) }
	github := func(signed string) []string {
		return []string{"--type", "github", "--secret", secret, "--header", "X-Hub-Signature-256: sha256=" + hexOf(signed)}
	}
	stripe := func(at string) []string {
		return []string{"--type", "stripe", "--secret", secret, "--at", "1700000000", "--header", "Stripe-Signature: t=" + at + ",v1=" + hexOf(at+".{}")}
	}
	square := []string{"--type", "square", "--secret", secret, "--url", "http://x.example/hook/a", "--header",
		"x-square-hmacsha256-signature: " + base64.StdEncoding.EncodeToString(sum("https://x.example/hook/a{}"))}
	for _, c := range []struct {
		name, body string
		args       []string
		code       int
		says       string
	}{
		{"right", `{}`, github(`{}`), 0, "accepted"},
		{"a newline too much", "{}\n", github(`{}`), 1, "without its trailing newline"},
		{"a newline too few", `{}`, github("{}\n"), 1, "with a newline behind it"},
		{"written again", `{"a": 1}`, github(`{"a":1}`), 1, "as compact JSON"},
		{"indented", `{"a":1}`, github("{\n  \"a\": 1\n}"), 1, "as indented JSON"},
		{"line ends", "a\r\nb", github("a\nb"), 1, "LF in place of CRLF"},
		{"another secret", `{}`, append(github(`{}`), "--secret", "another"), 1, "fits no usual mistake"},
		{"white space in the secret", `{}`, append(github(`{}`), "--secret", secret+" "), 1, "white space"},
		{"the previous secret", `{}`, append(github(`{}`), "--secret", "new", "--previous-secret", secret), 0, "the previous secret"},
		{"another encoding", `{}`, []string{"--type", "github", "--secret", secret, "--header", "X-Hub-Signature-256: sha256=" + base64.StdEncoding.EncodeToString(sum(`{}`))}, 1, "sha256 in base64"},
		{"no prefix", `{}`, []string{"--type", "github", "--secret", secret, "--header", "X-Hub-Signature-256: " + hexOf(`{}`)}, 1, `the prefix ""`},
		{"another type", `{}`, append(stripe("1700000000"), "--type", "github"), 1, "which stripe sends"},
		{"in time", `{}`, stripe("1699999900"), 0, "accepted"},
		{"stale", `{}`, stripe("1699990000"), 1, "--at"},
		{"of the future", `{}`, stripe("1700009999"), 1, "ahead"},
		{"stale within its tolerance", `{}`, append(stripe("1699990000"), "--tolerance", "24h"), 0, "accepted"},
		{"http for https", `{}`, square, 1, "SLUICE_PUBLIC_URL"},
		{"twice", `{}`, append(github(`{}`), "--header", "x-hub-signature-256: sha256=00"), 1, "more than once"},
		{"generic", `{}`, []string{"--type", "hmac", "--secret", secret, "--header-name", "x-sig", "--header", "X-Sig: " + hexOf(`{}`)}, 0, "accepted"},
		{"basic", ``, []string{"--type", "basic", "--username", "a", "--secret", "b", "--header", "Authorization: Basic YTpi"}, 0, "accepted"},
		{"not basic", ``, []string{"--type", "basic", "--username", "a", "--secret", "c", "--header", "Authorization: Basic YTpi"}, 1, "wrong"},
		{"a type there is not", `{}`, []string{"--type", "nobody", "--secret", "x"}, 2, "nobody"},
		{"no type", `{}`, []string{"--secret", "x"}, 2, "--type"},
		{"an empty secret", `{}`, []string{"--type", "github", "--secret", "", "--header", "X-Hub-Signature-256: sha256=00"}, 1, "the secret is empty"},
		{"an empty secret of the token's own type", `{}`, []string{"--type", "gitlab", "--secret", "", "--header", "X-Gitlab-Token: "}, 1, "not the secret"},
		{"the previous token", `{}`, []string{"--type", "gitlab", "--secret", "new", "--previous-secret", "old", "--header", "X-Gitlab-Token: old"}, 0, "previous secret"},
		{"no URL", `{}`, append(square, "--url", ""), 1, "give it with --url"},
		{"no secret", `{}`, []string{"--type", "github", "--header", "X-Hub-Signature-256: sha256=00"}, 2, "secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := verify(t, c.body, c.args...)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit status %d, %q; want %d and %q", code, out, c.code, c.says)
			}
			if strings.Contains(out, secret) {
				t.Error("it printed the secret")
			}
		})
	}
}

// TestVerifyAcceptsWhatTheProvidersLibrariesSign tries the edge's vectors by
// the command line, each by its type's name.
func TestVerifyAcceptsWhatTheProvidersLibrariesSign(t *testing.T) {
	raw, err := os.ReadFile("ingest/testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Type, Secret, Certificate, URL, Body, Source, At string
		Headers                                          map[string]string
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		args := []string{"--type", v.Type, "--secret", v.Secret, "--url", v.URL, "--method", "POST"}
		if v.At != "" {
			args = append(args, "--at", v.At)
		}
		if v.Certificate != "" {
			path := filepath.Join(t.TempDir(), "certificate.pem")
			if err := os.WriteFile(path, []byte(v.Certificate), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "--certificate", path)
		}
		for name, value := range v.Headers {
			args = append(args, "--header", name+": "+value)
		}
		out, code := verify(t, v.Body, args...)
		if code != 0 || !strings.HasPrefix(out, "accepted: ") {
			t.Errorf("%s (%s): exit %d, %s", v.Type, v.Source, code, out)
		}
		if strings.Contains(out, v.Secret) {
			t.Errorf("%s: the secret is printed: %s", v.Type, out)
		}
		if v.At != "" {
			at, err := time.Parse(time.RFC3339, v.At)
			if err != nil {
				t.Fatal(err)
			}
			late := at.Add(11 * time.Minute).Format(time.RFC3339)
			if out, code := verify(t, v.Body, append(args, "--at", late)...); code != 1 || !strings.Contains(out, "old, more than") {
				t.Errorf("%s, 11 minutes late: exit %d, %s", v.Type, code, out)
			}
			if out, code := verify(t, v.Body, append(args, "--at", late, "--tolerance", "15m")...); code != 0 {
				t.Errorf("%s, 11 minutes late with 15 to spare: exit %d, %s", v.Type, code, out)
			}
		}
	}
}

package ingest

import (
	"strings"
	"testing"
	"time"
)

// FuzzNothingUnsignedIsAccepted gives every preset a stranger's headers and
// body under a secret that the stranger does not know.
func FuzzNothingUnsignedIsAccepted(f *testing.F) {
	var verifiers []*Verifier
	var names []string
	for _, name := range PresetNames() {
		s := presets[name]
		secret := "whsec_c2VjcmV0IG9mIHRoZSBmdXp6IHRlc3Q="
		switch s.Key {
		case "ed25519":
			secret = strings.Repeat("5f", 32)
		case "ecdsa", "rsa":
			continue // their keys are the providers' own; parsing is below
		}
		v, err := s.Verifier(secret)
		if err != nil {
			f.Fatal(name, err)
		}
		verifiers, names = append(verifiers, v), append(names, name)
	}
	f.Add("t=1700000000,v1=00", "1700000000", "application/json", "https://hooks.example.com/hook/f?bodySHA256=00", `{"value":[{"clientState":"x"}],"signature":{"token":"a"}}`)
	f.Add("v1,AAAA v1a,AAAA", "2023-11-14T22:13:20Z", "multipart/form-data; boundary=x", "/", "--x\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\na\r\n--x--")
	f.Add("sha256=", "", "application/x-www-form-urlencoded", "https://[::1]:443/?a=%zz", "token=%zz&timestamp=1&signature=00")
	f.Fuzz(func(t *testing.T, signature, timestamp, contentType, url, body string) {
		for i, v := range verifiers {
			m := Message{Method: "POST", URL: url, Body: []byte(body), Header: func(name string) [][]byte {
				switch lower := strings.ToLower(name); {
				case lower == "content-type":
					return [][]byte{[]byte(contentType)}
				case strings.Contains(lower, "time"):
					return [][]byte{[]byte(timestamp)}
				}
				return [][]byte{[]byte(signature)}
			}}
			if v.Verify(m, time.Unix(1700000000, 0)) == nil {
				t.Errorf("%s accepted what was not signed", names[i])
			}
			if proof, err := v.Begin(m, time.Unix(1700000000, 0)); err == nil {
				_, _ = proof.Write(m.Body)
				if proof.End() == nil {
					t.Errorf("%s accepted in pieces what was not signed", names[i])
				}
			}
		}
		_, _ = parsePublicKey("ecdsa", signature)
		_, _ = parsePublicKey("rsa", body)
		_ = checkAddress(url, "paypal.com")
	})
}

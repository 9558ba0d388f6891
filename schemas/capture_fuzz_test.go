package schemas

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// FuzzTokens: no text but the one that was made is a token.
func FuzzTokens(f *testing.F) {
	tokens, err := NewTokens("a key")
	if err != nil {
		f.Fatal(err)
	}
	seal, err := NewSeal("a key")
	if err != nil {
		f.Fatal(err)
	}
	ticket := NewSampleTicket("f", time.Unix(1_700_000_000, 0))
	ticket.ID = "000102030405060708090a0b"
	right := ticket.Token(tokens)
	for _, seed := range []string{"", right, right[:len(right)-1], right + "A", "AAAA", "%", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, ok := ReadSampleTicket(tokens, text); ok && (text != right || got != ticket) {
			t.Errorf("%q is a ticket: %+v", text, got)
		}
		if _, err := ParseCapture(seal, &kgo.Record{Key: []byte("f"), Value: []byte(text)}); err == nil {
			t.Errorf("%q is a capture", text)
		}
		if r, err := ParseReplyTo(text); err == nil {
			if again, err := ParseReplyTo(r.String()); err != nil || again != r {
				t.Errorf("%q: %v is not what it is written as", text, r)
			}
		}
	})
}

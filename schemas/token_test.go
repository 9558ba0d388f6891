package schemas

import "testing"

func TestATokenIsReadForItsPurposeUnderItsKeyOnly(t *testing.T) {
	a, _ := NewTokens("one key of this installation")
	b, _ := NewTokens("another key")
	token := a.Make("callback", []byte("what it is about"))
	if content, ok := a.Read("callback", token); !ok || string(content) != "what it is about" {
		t.Fatalf("read %q, %v", content, ok)
	}
	if _, ok := a.Read("sample", token); ok {
		t.Error("read for another purpose")
	}
	if _, ok := b.Read("callback", token); ok {
		t.Error("read under another key")
	}
	for i := range token {
		other := []byte(token)
		if other[i]++; other[i] > 'z' {
			other[i] = 'a'
		}
		if _, ok := a.Read("callback", string(other)); ok {
			t.Errorf("read with another character at %d", i)
		}
	}
	for _, wrong := range []string{"", "AAAA", "%%%", token + "A", token + "="} {
		if _, ok := a.Read("callback", wrong); ok {
			t.Errorf("read %q", wrong)
		}
	}
}

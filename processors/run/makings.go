package run

import "github.com/twmb/franz-go/pkg/kgo"

const (
	pieceBytes   = 64 << 10
	pieceRecords = 128
	// ownBytes and more have memory of their own.
	ownBytes = pieceBytes / 4
)

// makings are what the records of a transaction are made of. They are used and
// let go together, and so a hundred of them share a piece of memory: one by one
// they were a tenth of all that a hook allocates. The zero makings are ready.
type makings struct {
	text    []byte
	records []kgo.Record
}

// record is an empty record.
func (m *makings) record() *kgo.Record {
	if len(m.records) == 0 {
		m.records = make([]kgo.Record, pieceRecords)
	}
	r := &m.records[0]
	m.records = m.records[1:]
	return r
}

// room is an empty slice with room for n bytes; keep takes note of what was
// appended to it, before anything else asks for room.
func (m *makings) room(n int) []byte {
	if n > ownBytes {
		return make([]byte, 0, n)
	}
	if cap(m.text)-len(m.text) < n {
		m.text = make([]byte, 0, pieceBytes)
	}
	return m.text[len(m.text):]
}

func (m *makings) keep(text []byte) []byte {
	if free := m.text[len(m.text):cap(m.text)]; len(text) > 0 && len(free) >= len(text) && &free[0] == &text[0] {
		m.text = m.text[:len(m.text)+len(text)]
	}
	return text[:len(text):len(text)]
}

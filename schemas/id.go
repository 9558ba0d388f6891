package schemas

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// ExecutionID names an execution, and the hook it began with. It is a UUID of
// version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, so that IDs sort
// by time, then random bits; its last 16 bits are the Kafka partition, so that
// a command finds the execution's owner without asking anyone.
type ExecutionID [16]byte

// NewExecutionID mints an ID for a hook accepted at t on a partition, which is
// below 65536.
func NewExecutionID(t time.Time, partition int32) ExecutionID {
	var id ExecutionID
	rand.Read(id[6:14]) // never fails (crypto/rand, since Go 1.24)
	ms := uint64(t.UnixMilli())
	id[0], id[1], id[2] = byte(ms>>40), byte(ms>>32), byte(ms>>24)
	id[3], id[4], id[5] = byte(ms>>16), byte(ms>>8), byte(ms)
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	binary.BigEndian.PutUint16(id[14:], uint16(partition))
	return id
}

// derivedID is an ID that depends on its arguments alone.
func derivedID(of string, t time.Time, partition int32) ExecutionID {
	id := NewExecutionID(t, partition)
	sum := sha256.Sum256([]byte(of))
	copy(id[6:14], sum[:8])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// IDsAt are the first and the last ID of a time's millisecond.
func IDsAt(t time.Time) (first, last ExecutionID) {
	first = NewExecutionID(t, 0)
	last = first
	for i := 6; i < len(first); i++ {
		first[i], last[i] = 0, 0xff
	}
	return first, last
}

// Partition is the partition of `hooks`, `executions` and `state` that the
// execution lives on.
func (id ExecutionID) Partition() int32 { return int32(binary.BigEndian.Uint16(id[14:])) }

// On is the ID with another partition.
func (id ExecutionID) On(partition int32) ExecutionID {
	binary.BigEndian.PutUint16(id[14:], uint16(partition))
	return id
}

// Time is when the hook was accepted, to the millisecond.
func (id ExecutionID) Time() time.Time {
	var b [8]byte
	copy(b[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:])))
}

// String is the UUID's usual form, 36 characters.
func (id ExecutionID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
	return string(b[:])
}

// IsZero reports whether the ID names nothing.
func (id ExecutionID) IsZero() bool { return id == ExecutionID{} }

var errExecutionID = errors.New("not an execution ID: want a UUID such as 0192f5d2-7c3a-7b1e-9f00-5a2b3c4d0007")

// ParseExecutionID reads the form that String writes.
func ParseExecutionID(s string) (ExecutionID, error) { return parseExecutionID(s) }

func parseExecutionID[T string | []byte](s T) (ExecutionID, error) {
	var id ExecutionID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, errExecutionID
	}
	var digits [32]byte
	copy(digits[:], s[:8])
	copy(digits[8:], s[9:13])
	copy(digits[12:], s[14:18])
	copy(digits[16:], s[19:23])
	copy(digits[20:], s[24:])
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return ExecutionID{}, errExecutionID
	}
	return id, nil
}

// ExecutionIDFromBytes reads the 16 bytes of a record; anything else is the
// zero ID.
func ExecutionIDFromBytes(b []byte) ExecutionID {
	var id ExecutionID
	if len(b) == len(id) {
		copy(id[:], b)
	}
	return id
}

const flowIDAlphabet = "abcdefghijkmnpqrstuvwxyz23456789" // 32 characters, none alike

// NewFlowID mints an unguessable flow ID of 100 bits.
func NewFlowID() string {
	b := make([]byte, 20)
	rand.Read(b)
	for i := range b {
		b[i] = flowIDAlphabet[b[i]&31]
	}
	return string(b)
}

package run

import (
	"google.golang.org/protobuf/encoding/protowire"

	"sluice/schemas/records"
)

// summary is what a takeover wants to know of a snapshot (records.Execution).
// Its slices are parts of the snapshot.
type summary struct {
	lane           []byte
	flow, orderKey []byte
	hook           int64 // offset
	status         records.ExecutionStatus
	wakeAt         int64
	sealed         bool // then the order key and wakeAt are in what is sealed
}

// scanSnapshot reads it without making the whole: of a million snapshots that
// is a second instead of many, and no garbage.
func scanSnapshot(b []byte) (summary, error) {
	var x summary
	err := fields(b, func(number protowire.Number, v uint64, content []byte) error {
		switch number {
		case 2:
			x.flow = content
		case 4:
			x.status = records.ExecutionStatus(v)
		case 8:
			return fields(content, func(number protowire.Number, v uint64, content []byte) error {
				switch number {
				case 1:
					x.lane = content
				case 3:
					x.hook = int64(v)
				}
				return nil
			})
		case 13:
			x.orderKey = content
		case 200:
			x.wakeAt = int64(v)
		case 240:
			x.sealed = true
		}
		return nil
	})
	return x, err
}

// fields calls fn with the fields of a message: a varint, or what a field with a
// length contains.
func fields(b []byte, fn func(number protowire.Number, v uint64, content []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var v uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := fn(number, v, content); err != nil {
			return err
		}
	}
	return nil
}

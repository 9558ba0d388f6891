package records_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sluice/schemas/records"
)

// Every field of every message inside is filled by what the .proto says, so
// that one which is added and not written is noticed.
func TestAppendWritesWhatProtobufWrites(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		x := new(records.ExecutionRecord)
		fillMessage(random, x.ProtoReflect(), 0.8)
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		if have := records.AppendExecutionRecord([]byte("before"), x); !bytes.Equal(have, append([]byte("before"), want...)) {
			t.Fatalf("%v\nis written as %x,\nprotobuf writes %x", x, have, want)
		}
	}
}

func TestAppendWritesTextThatIsNotUTF8SoThatItCanBeRead(t *testing.T) {
	x := &records.ExecutionRecord{FlowId: "pets", Failure: &records.Failure{Message: "the body begins with \xff\xfe"}}
	read := new(records.ExecutionRecord)
	if err := proto.Unmarshal(records.AppendExecutionRecord(nil, x), read); err != nil {
		t.Fatal(err)
	}
	if have := read.Failure.Message; have != "the body begins with \uFFFD" {
		t.Errorf("%q", have)
	}
}

// fillMessage gives each field a value with some likelihood.
func fillMessage(random *rand.Rand, m protoreflect.Message, likely float64) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case random.Float64() > likely:
		case f.IsList():
			list := m.Mutable(f).List()
			for range random.IntN(6) {
				list.Append(valueOf(random, f, list.NewElement(), likely))
			}
		default:
			m.Set(f, valueOf(random, f, m.NewField(f), likely))
		}
	}
}

func valueOf(random *rand.Rand, f protoreflect.FieldDescriptor, empty protoreflect.Value, likely float64) protoreflect.Value {
	number := random.Uint64() >> random.IntN(64)
	switch f.Kind() {
	case protoreflect.MessageKind:
		fillMessage(random, empty.Message(), likely)
		return empty
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.Repeat("ö", lengthOf(random)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(make([]byte, lengthOf(random)))
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(random.IntN(values.Len())).Number())
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(number%2 == 0)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(number))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(number))
	}
	panic("the test knows no " + f.Kind().String())
}

// lengthOf is often short, and now and then beyond what one or two bytes of a length say.
func lengthOf(random *rand.Rand) int { return random.IntN(1 << random.IntN(15)) }

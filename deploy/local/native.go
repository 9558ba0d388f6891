package local

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// nativeEncoder turns blocks as the library writes them (Native of revision 0)
// into those of the revision that a client asked for. A server does this by
// itself when it sees client_protocol_version; the library does not know it.
type nativeEncoder struct {
	revision uint64
	buffer   chproto.Buffer
}

// encode returns the blocks of data in the client's revision. The slice is
// valid until the next call.
func (n *nativeEncoder) encode(data []byte) ([]byte, error) {
	n.buffer.Reset()
	in := chproto.NewReader(bytes.NewReader(data))
	for {
		block := proto.Block{ServerContext: &column.ServerContext{Timezone: time.UTC}}
		if err := block.Decode(in, 0); err != nil {
			if errors.Is(err, io.EOF) && block.Columns == nil {
				return n.buffer.Buf, nil
			}
			return nil, fmt.Errorf("reading a block of the engine: %w", err)
		}
		if err := block.Encode(&n.buffer, n.revision); err != nil {
			return nil, fmt.Errorf("writing a block for the client: %w", err)
		}
	}
}

package runlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"sluice/schemas"
	"sluice/schemas/records"
)

// source says which Kafka record a row came from.
type source struct {
	topic      string
	partition  int32
	offset     int64
	generation uint16 // 0, or the number of the rebuild that wrote the row
}

type executionRow struct {
	source
	id                   uuid.UUID
	flow                 string
	version              uint32
	status               string
	startedAt            time.Time
	endedAt              *time.Time
	failure, failureKind string
	failureStep          string
	erased               bool
	replayOf             *uuid.UUID
	replay               string
	traceID              string
	hookTopic            string
	hookPartition        int32
	hookOffset           int64
}

type stepRow struct {
	source
	execution            uuid.UUID
	flow                 string
	version              uint32
	step, name, uses     string
	iteration            int32
	attempt              uint32
	status               string
	input, output        []byte
	failure, failureKind string
	httpStatus           uint16
	idempotencyKey       string
	startedAt            time.Time
	durationMS           float64
	retryAt              *time.Time
}

type hookRow struct {
	source
	id                  uuid.UUID
	flow                string
	receivedAt          time.Time
	method, path, query string
	headers             map[string]string
	contentType         string
	body                []byte
	bodySize            uint64
	bodySHA256          string // of a body in the blob store
	blob                string
	files               string // JSON, or empty
	erased              bool
	key                 string // that its record is sealed with, or empty
	caller              string // schemas.Parent, or empty
	replayOf            *uuid.UUID
	traceID             string
	topic               string // without the prefix
}

// opener opens what is sealed, and knows what was erased.
type opener struct {
	keys   *schemas.Keys
	erased func(schemas.ExecutionID) bool
}

func (o opener) isErased(id schemas.ExecutionID) bool { return o.erased != nil && o.erased(id) }

// executionRows reads a record of the topic executions: how the execution
// stands, and a row for every attempt and every skipped step. Of what was erased there is how it stands.
func executionRows(r *kgo.Record, generation uint16, open opener) (executionRow, []stepRow, error) {
	x := &records.ExecutionRecord{}
	if err := proto.Unmarshal(r.Value, x); err != nil {
		return executionRow{}, nil, fmt.Errorf("reading an execution record: %w", err)
	}
	id := schemas.ExecutionIDFromBytes(x.ExecutionId)
	if err := checkID(id, r.Partition); err != nil {
		return executionRow{}, nil, fmt.Errorf("reading an execution record's execution_id: %w", err)
	}
	if x.FlowId == "" {
		return executionRow{}, nil, errors.New("reading an execution record's flow_id: missing")
	}
	err := open.keys.OpenEvents(context.Background(), x)
	erased := errors.Is(err, schemas.ErrErased) || open.isErased(id)
	if err != nil && !erased {
		return executionRow{}, nil, err
	}
	src := source{topic: r.Topic, partition: r.Partition, offset: r.Offset, generation: generation}
	row := executionRow{
		source: src,
		id:     uuid.UUID(id), flow: x.FlowId, version: uint32(max(x.Version, 0)),
		status:    schemas.StatusName(x.Status),
		startedAt: moment(x.StartedAt), endedAt: momentOrNil(x.EndedAt),
		failure: x.Failure.GetMessage(), failureKind: x.Failure.GetKind(), failureStep: x.Failure.GetStep(),
		replayOf: idOrNil(schemas.ExecutionIDFromBytes(x.ReplayOf)), replay: x.Replay, traceID: x.TraceId,
		hookTopic: x.Hook.GetTopic(), hookPartition: x.Hook.GetPartition(), hookOffset: x.Hook.GetOffset(),
	}
	if erased {
		row.failure, row.erased, x.Events = "", true, nil
	}
	if x.StartedAt == 0 {
		row.startedAt = id.Time()
	}
	var steps []stepRow
	for _, e := range x.Events {
		step := stepRow{source: src, execution: row.id, flow: row.flow, version: row.version}
		switch {
		case e.GetAttempt() != nil:
			a := e.GetAttempt()
			step.step, step.name, step.uses = a.Step, a.Name, a.Uses
			step.iteration, step.attempt = a.Iteration, uint32(max(a.Number, 0))
			step.status = schemas.StepStatusName(a.Status)
			step.input, step.output = a.Input, a.Output
			step.failure, step.failureKind = a.Failure.GetMessage(), a.Failure.GetKind()
			step.httpStatus = uint16(min(max(a.HttpStatus, a.Failure.GetHttpStatus(), 0), 65535))
			step.idempotencyKey = a.IdempotencyKey
			step.startedAt = moment(a.StartedAt)
			step.durationMS = float64(a.Duration) / 1e6
			step.retryAt = momentOrNil(a.RetryAt)
		case e.GetExpanded() != nil:
			// Its elements have rows of their own; without any there is this one.
			x := e.GetExpanded()
			if x.Count > 0 {
				continue
			}
			step.step, step.name, step.uses, step.output = x.Step, x.Name, x.Uses, []byte("[]")
			step.status = schemas.StepStatusName(records.StepStatus_STEP_STATUS_SUCCEEDED)
			step.startedAt = moment(e.At)
		case e.GetGiven() != nil:
			g := e.GetGiven()
			step.step, step.name, step.uses, step.output = g.Step, g.Name, g.Uses, g.Output
			step.status = schemas.StepStatusName(g.Status)
			step.startedAt = moment(e.At)
		case e.GetSkipped() != nil:
			s := e.GetSkipped()
			step.step, step.name, step.uses = s.Step, s.Name, s.Uses
			step.status = schemas.StepStatusName(records.StepStatus_STEP_STATUS_SKIPPED)
			step.startedAt = moment(e.At)
		default:
			continue
		}
		steps = append(steps, step)
	}
	return row, steps, nil
}

// hookRowOf reads a record of the topic hooks or replays; kept is false for one
// that is a command and no request. The row shares the record's memory.
func hookRowOf(r *kgo.Record, topic string, generation uint16, open opener) (row hookRow, kept bool, err error) {
	h, err := schemas.ParseHook(r)
	if err != nil {
		return hookRow{}, false, err
	}
	if h.Kind != schemas.KindHook {
		return hookRow{}, false, nil
	}
	if err := checkID(h.ID, r.Partition); err != nil {
		return hookRow{}, false, fmt.Errorf("reading header ce_id: %w", err)
	}
	err = open.keys.OpenHook(context.Background(), h)
	erased := errors.Is(err, schemas.ErrErased) || open.isErased(h.ID)
	if err != nil && !erased {
		return hookRow{}, false, err
	}
	if erased {
		h.Path, h.Query, h.Headers, h.Body, h.BodyRef, h.Files = "", "", nil, nil, nil, nil
	}
	row = hookRow{
		source: source{topic: r.Topic, partition: r.Partition, offset: r.Offset, generation: generation},
		id:     uuid.UUID(h.ID), flow: h.Flow, receivedAt: within(h.Time),
		method: h.Method, path: h.Path, query: h.Query, headers: h.Headers,
		contentType: h.ContentType, body: h.Body, bodySize: uint64(len(h.Body)),
		replayOf: idOrNil(h.ReplayOf), traceID: traceIDOf(h.TraceParent), topic: topic,
		erased: erased, key: h.Key, caller: h.Parent,
	}
	if ref := h.BodyRef; ref != nil {
		row.blob, row.bodySize, row.bodySHA256 = ref.Blob, uint64(max(ref.Size, 0)), ref.SHA256
	}
	if len(h.Files) > 0 {
		files, err := json.Marshal(h.Files)
		if err != nil {
			return hookRow{}, false, fmt.Errorf("encoding the files: %w", err)
		}
		row.files = string(files)
	}
	return row, true, nil
}

// lastYear bounds IDs to what ClickHouse's Date and DateTime can say.
const lastYear = 2100

// checkID refuses what would land in no sensible day's part, or under another
// partition's offsets, by which an execution's rows are ordered.
func checkID(id schemas.ExecutionID, partition int32) error {
	switch {
	case id.IsZero():
		return errors.New("want 16 bytes, have none or another number")
	case id[6]>>4 != 7 || id.Time().Year() > lastYear:
		return fmt.Errorf("%s is not a UUID of version 7 from before %d", id, lastYear+1)
	case id.Partition() != partition:
		return fmt.Errorf("its partition is %d, the record's is %d", id.Partition(), partition)
	}
	return nil
}

func idOrNil(id schemas.ExecutionID) *uuid.UUID {
	if id.IsZero() {
		return nil
	}
	u := uuid.UUID(id)
	return &u
}

func moment(unixNano int64) time.Time { return within(time.Unix(0, unixNano)) }

func momentOrNil(unixNano int64) *time.Time {
	if unixNano == 0 {
		return nil
	}
	t := moment(unixNano)
	return &t
}

var (
	earliest = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC)
)

// within brings a time into what DateTime64 holds.
func within(t time.Time) time.Time {
	switch {
	case t.Before(earliest):
		return earliest
	case t.After(latest):
		return latest
	}
	return t
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/valyala/fasthttp"

	"sluice/schemas"
)

// fetchPatience bounds the search for a reply that came too late.
const fetchPatience = 5 * time.Second

// replies hands the runner's replies to the senders that wait for them. An
// edge reads one partition of the topic, from the moment it starts: a sender
// that waits here waits for nothing older.
type replies struct {
	topic     string
	instance  string // the key of this edge's replies
	partition int32
	place     []byte // schemas.ReplyTo, as it travels with a hook
	client    *kgo.Client
	reader    *kgo.Client // for replies that were late: no long poll is in its way
	keys      *schemas.Keys
	log       *slog.Logger
	ended     chan struct{} // closed when the edge drains: nobody is kept waiting

	mu      sync.Mutex
	waiting map[schemas.ExecutionID]chan *schemas.Reply
}

func newReplies(o *Options) (*replies, error) {
	r := &replies{
		topic: o.Topics.Replies(), instance: uuid.NewString(), keys: o.Keys, log: o.Logger,
		waiting: map[schemas.ExecutionID]chan *schemas.Reply{}, ended: make(chan struct{}),
	}
	h := fnv.New32a()
	h.Write([]byte(r.instance))
	r.partition = int32(h.Sum32() % uint32(o.Partitions))
	r.place = []byte(schemas.ReplyTo{Instance: r.instance, Partition: r.partition}.String())
	var err error
	if r.client, err = kgo.NewClient(append(append([]kgo.Opt{}, o.Kafka...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: {r.partition: kgo.NewOffset().AtEnd()}}),
		kgo.FetchMaxWait(500*time.Millisecond),
	)...); err != nil {
		return nil, fmt.Errorf("configuring the edge's Kafka client: %w", err)
	}
	if r.reader, err = kgo.NewClient(o.Kafka...); err != nil {
		r.client.Close()
		return nil, fmt.Errorf("configuring the edge's Kafka client: %w", err)
	}
	return r, nil
}

// run reads replies until ctx ends.
func (r *replies) run(ctx context.Context) {
	for {
		fetches := r.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			r.log.Warn("reading replies", "topic", topic, "partition", partition, "error", err)
		})
		fetches.EachRecord(func(record *kgo.Record) {
			if string(record.Key) != r.instance {
				return
			}
			reply, err := r.parse(ctx, record)
			if err != nil {
				r.log.Error("skipping a reply that cannot be read", "offset", record.Offset, "error", err)
				return
			}
			r.mu.Lock()
			waiter := r.waiting[reply.ID]
			delete(r.waiting, reply.ID)
			r.mu.Unlock()
			if waiter != nil {
				waiter <- reply // holds one
			}
		})
	}
}

func (r *replies) parse(ctx context.Context, record *kgo.Record) (*schemas.Reply, error) {
	reply, err := schemas.ParseReply(record)
	if err == nil {
		err = r.keys.OpenReply(ctx, reply)
	}
	return reply, err
}

func (r *replies) close() {
	r.client.Close()
	r.reader.Close()
}

// expect says that a sender is about to wait: before the hook is appended, or
// its reply could come too soon.
func (r *replies) expect(id schemas.ExecutionID) chan *schemas.Reply {
	waiter := make(chan *schemas.Reply, 1)
	r.mu.Lock()
	r.waiting[id] = waiter
	r.mu.Unlock()
	return waiter
}

func (r *replies) forget(id schemas.ExecutionID) {
	r.mu.Lock()
	delete(r.waiting, id)
	r.mu.Unlock()
}

// reply waits for the flow's answer and gives it. A sender that has waited
// long enough gets 202, and where the answer can be fetched once it is there.
func (e *Edge) reply(r *request) {
	timer := time.NewTimer(e.options.ReplyTimeout)
	defer timer.Stop()
	select {
	case reply := <-r.waiter:
		e.writeReply(r.http, r.idText, reply)
		return
	case <-timer.C:
	case <-e.replies.ended:
	}
	e.replies.forget(r.id)
	base := e.options.PublicURL
	if base == "" {
		base = string(r.http.URI().Scheme()) + "://" + string(r.http.Host())
	}
	location := fmt.Sprintf("%s/reply/%d/%s", base, e.replies.partition, r.idText)
	response := &r.http.Response
	response.SetStatusCode(fiber.StatusAccepted)
	response.Header.Set(fiber.HeaderXRequestID, r.idText)
	response.Header.Set(fiber.HeaderLocation, location)
	response.Header.SetContentType("application/json")
	response.AppendBodyString(`{"requestId":"` + r.idText + `","message":"accepted","result":"` + location + `"}`)
}

func (e *Edge) writeReply(ctx *fasthttp.RequestCtx, id string, reply *schemas.Reply) {
	response := &ctx.Response
	response.SetStatusCode(reply.Status)
	for name, value := range reply.Headers {
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding", "connection", "x-request-id":
			continue // the edge's own
		}
		response.Header.Set(name, value)
	}
	response.Header.Set(fiber.HeaderXRequestID, id)
	if reply.ContentType != "" {
		response.Header.SetContentType(reply.ContentType)
	}
	if reply.BodyRef == nil {
		response.SetBodyRaw(reply.Body)
		return
	}
	body, err := e.openBlob(reply.BodyRef)
	if err != nil {
		e.log.Error("answering with a file", "execution", id, "error", err)
		e.refuseOther(ctx, &refusal{status: 502, reason: ReasonUnavailable, detail: "the file that the flow answers with cannot be read"})
		return
	}
	response.SetBodyStream(body, int(reply.BodyRef.Size)) // closed when it is sent
}

func (e *Edge) openBlob(at *schemas.BodyRef) (io.ReadCloser, error) {
	if e.options.Blobs == nil {
		return nil, errors.New("there is no blob store")
	}
	return e.options.Blobs.Open(context.Background(), at.Blob, at.Offset, at.Size)
}

// lateReply answers GET /reply/PARTITION/EXECUTION: the answer of a flow whose
// sender did not wait for it, as long as the topic keeps it (1 hour). 404 until
// it is there. Any edge can answer: it looks in the topic.
func (e *Edge) lateReply(c *fiber.Ctx) error {
	ctx := c.Context()
	id, err := schemas.ParseExecutionID(c.Params("execution"))
	partition, numberErr := c.ParamsInt("partition")
	if err != nil || numberErr != nil || partition < 0 || int32(partition) >= e.options.Partitions {
		e.refuseOther(ctx, noPath)
		return nil
	}
	reply, err := e.replies.find(int32(partition), id)
	switch {
	case err != nil:
		e.log.Warn("looking for a reply", "error", err)
		e.refuseOther(ctx, &refusal{status: 503, reason: ReasonUnavailable, detail: "the answer cannot be looked up now: ask again later", retryAfter: 2})
	case reply == nil:
		e.refuseOther(ctx, &refusal{status: 404, reason: ReasonNotFound, detail: "there is no answer yet, or no longer", retryAfter: 1})
	default:
		e.writeReply(ctx, id.String(), reply)
	}
	return nil
}

// find looks a reply up in the topic, from the time of its hook on.
func (r *replies) find(partition int32, id schemas.ExecutionID) (*schemas.Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchPatience)
	defer cancel()
	starts, err := kadm.NewClient(r.reader).ListOffsetsAfterMilli(ctx, id.Time().UnixMilli()-1000, r.topic)
	if err != nil {
		return nil, fmt.Errorf("finding the place of a reply: %w", err)
	}
	start, ok := starts.Lookup(r.topic, partition)
	if !ok || start.Err != nil {
		return nil, fmt.Errorf("finding the place of a reply: partition %d: %w", partition, start.Err)
	}
	end, err := schemas.PartitionEnd(ctx, r.reader, r.topic, partition)
	if err != nil {
		return nil, err
	}
	var found *schemas.Reply
	err = schemas.ReadPartition(ctx, r.reader, r.topic, partition, start.Offset, end, func(record *kgo.Record) bool {
		if reply, err := r.parse(ctx, record); err == nil && reply.ID == id {
			found = reply
		}
		return found == nil
	})
	return found, err
}

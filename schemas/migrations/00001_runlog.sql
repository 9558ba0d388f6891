-- +goose NO TRANSACTION

-- Every table is keyed by the execution's ID alone (and what tells its rows
-- apart), so that writing a row again replaces it, whatever else it says.
-- A UUIDv7 sorts by its time as a number (as a UUID it does not), so the same
-- key finds one execution by binary search and keeps neighbours in time
-- together. row_version: the later record wins; of one record read twice, the
-- later rebuild.

-- +goose Up
CREATE TABLE IF NOT EXISTS runlog_executions
(
    id               UUID,
    flow             String,
    version          UInt32,
    status           String,
    started_at       DateTime64(6, 'UTC'),
    ended_at         Nullable(DateTime64(6, 'UTC')),
    error            String CODEC(ZSTD(1)),
    error_kind       String,
    error_step       String,
    replay_of        Nullable(UUID),
    trace_id         String,
    topic            String,
    partition        Int32,
    offset           Int64,
    source_topic     String,
    source_partition Int32,
    source_offset    UInt64,
    generation       UInt16,
    row_version      UInt64 MATERIALIZED source_offset * 65536 + generation,
    INDEX by_flow flow TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_start started_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(row_version)
PARTITION BY toDate(UUIDv7ToDateTime(id, 'UTC'))
ORDER BY toUInt128(id)
TTL toDateTime(UUIDv7ToDateTime(id, 'UTC')) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS runlog_steps
(
    execution_id     UUID,
    flow             String,
    version          UInt32,
    step             String,
    name             String,
    uses             String,
    iteration        Int32,
    attempt          UInt32,
    status           String,
    input            String CODEC(ZSTD(1)),
    output           String CODEC(ZSTD(1)),
    error            String CODEC(ZSTD(1)),
    error_kind       String,
    http_status      UInt16,
    idempotency_key  String,
    started_at       DateTime64(6, 'UTC'),
    duration_ms      Float64,
    retry_at         Nullable(DateTime64(6, 'UTC')),
    source_topic     String,
    source_partition Int32,
    source_offset    UInt64,
    generation       UInt16,
    row_version      UInt64 MATERIALIZED source_offset * 65536 + generation,
    INDEX by_flow flow TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_start started_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(row_version)
PARTITION BY toDate(UUIDv7ToDateTime(execution_id, 'UTC'))
ORDER BY (toUInt128(execution_id), step, iteration, attempt)
TTL toDateTime(UUIDv7ToDateTime(execution_id, 'UTC')) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS runlog_hooks
(
    id               UUID,
    flow             String,
    received_at      DateTime64(6, 'UTC'),
    method           String,
    path             String,
    query            String,
    headers          Map(String, String) CODEC(ZSTD(1)),
    content_type     String,
    body             String CODEC(ZSTD(1)),
    replay_of        Nullable(UUID),
    trace_id         String,
    topic            String,
    source_topic     String,
    source_partition Int32,
    source_offset    UInt64,
    generation       UInt16,
    row_version      UInt64 MATERIALIZED source_offset * 65536 + generation,
    INDEX by_flow flow TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_receipt received_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(row_version)
PARTITION BY toDate(UUIDv7ToDateTime(id, 'UTC'))
ORDER BY toUInt128(id)
TTL toDateTime(UUIDv7ToDateTime(id, 'UTC')) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

-- How far each partition of Kafka is in the tables above. The server's clock
-- orders its rows, so that a reset to an earlier offset counts as well.
CREATE TABLE IF NOT EXISTS runlog_progress
(
    topic       String,
    partition   Int32,
    next_offset Int64,
    topic_id    String,
    written_at  DateTime64(9, 'UTC') DEFAULT now64(9, 'UTC')
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (topic, partition);

-- One row per rebuild that was begun; its number is the generation of the rows it writes.
CREATE TABLE IF NOT EXISTS runlog_rebuilds
(
    generation UInt16,
    began_at   DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY generation;

CREATE OR REPLACE VIEW executions AS
SELECT
    id,
    flow,
    version,
    status,
    started_at,
    ended_at,
    (toUnixTimestamp64Micro(ended_at) - toUnixTimestamp64Micro(started_at)) / 1000 AS duration_ms,
    error,
    error_kind,
    error_step,
    replay_of,
    trace_id,
    topic,
    partition,
    offset
FROM runlog_executions FINAL;

CREATE OR REPLACE VIEW steps AS
SELECT
    execution_id,
    flow,
    version,
    step,
    name,
    uses,
    iteration,
    attempt,
    status,
    input,
    output,
    error,
    error_kind,
    http_status,
    idempotency_key,
    started_at,
    duration_ms,
    retry_at
FROM runlog_steps FINAL;

CREATE OR REPLACE VIEW hooks AS
SELECT
    id,
    flow,
    received_at,
    method,
    path,
    query,
    headers,
    content_type,
    body,
    replay_of,
    trace_id,
    topic,
    source_partition AS partition,
    toInt64(source_offset) AS offset
FROM runlog_hooks FINAL;

-- +goose Down
DROP VIEW IF EXISTS hooks;
DROP VIEW IF EXISTS steps;
DROP VIEW IF EXISTS executions;
DROP TABLE IF EXISTS runlog_rebuilds;
DROP TABLE IF EXISTS runlog_progress;
DROP TABLE IF EXISTS runlog_hooks;
DROP TABLE IF EXISTS runlog_steps;
DROP TABLE IF EXISTS runlog_executions;

-- +goose NO TRANSACTION

-- +goose Up
ALTER TABLE runlog_executions ADD COLUMN IF NOT EXISTS replay String AFTER replay_of;
ALTER TABLE runlog_executions ADD INDEX IF NOT EXISTS by_replay replay TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE runlog_executions ADD INDEX IF NOT EXISTS by_original replay_of TYPE bloom_filter(0.01) GRANULARITY 1;

-- The hooks that a replay will send, in their order. Written once, before the
-- replay begins, so that one that is resumed goes on with the same list.
-- source_topic: 'runlog' where the hook is read from the table hooks, 'hooks'
-- where it is read from Kafka.
CREATE TABLE IF NOT EXISTS runlog_selections
(
    replay     String,
    n          UInt32,
    id         UUID,
    source     LowCardinality(String),
    partition  Int32,
    offset     Int64,
    created_at DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree
ORDER BY (replay, n)
TTL created_at + INTERVAL 30 DAY;

-- What a dry run found, a row for each of its hooks. kinds is empty where the
-- execution would end as it did; detail has the steps side by side.
CREATE TABLE IF NOT EXISTS runlog_differences
(
    replay       String,
    n            UInt32,
    execution_id UUID,
    flow         String,
    was          LowCardinality(String),
    now          LowCardinality(String),
    kinds        Array(LowCardinality(String)),
    groups       Array(String),
    detail       String CODEC(ZSTD(1)),
    created_at   DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree
ORDER BY (replay, n)
TTL created_at + INTERVAL 30 DAY;

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
    replay,
    trace_id,
    topic,
    partition,
    offset
FROM runlog_executions FINAL;

CREATE OR REPLACE VIEW differences AS
SELECT replay, execution_id, flow, was, now, kinds, groups, detail
FROM runlog_differences FINAL;

-- +goose Down
DROP VIEW IF EXISTS differences;
DROP TABLE IF EXISTS runlog_differences;
DROP TABLE IF EXISTS runlog_selections;
ALTER TABLE runlog_executions DROP INDEX IF EXISTS by_replay;
ALTER TABLE runlog_executions DROP INDEX IF EXISTS by_original;
ALTER TABLE runlog_executions DROP COLUMN IF EXISTS replay;

-- +goose NO TRANSACTION

-- +goose Up
-- What was erased keeps its place: ID, flow, times and status. sealed_key names
-- the key that what the execution writes to Kafka is sealed with (schemas.Keys).
ALTER TABLE runlog_executions ADD COLUMN IF NOT EXISTS erased Bool DEFAULT false AFTER error_step;
ALTER TABLE runlog_hooks ADD COLUMN IF NOT EXISTS erased Bool DEFAULT false AFTER files;
ALTER TABLE runlog_hooks ADD COLUMN IF NOT EXISTS sealed_key String AFTER erased;

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
    erased,
    replay_of,
    replay,
    trace_id,
    topic,
    partition,
    offset
FROM runlog_executions FINAL;

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
    body_size,
    body_sha256,
    blob,
    files,
    erased,
    replay_of,
    trace_id,
    topic,
    source_partition AS partition,
    toInt64(source_offset) AS offset
FROM runlog_hooks FINAL;

-- +goose Down
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
    body_size,
    body_sha256,
    blob,
    files,
    replay_of,
    trace_id,
    topic,
    source_partition AS partition,
    toInt64(source_offset) AS offset
FROM runlog_hooks FINAL;
ALTER TABLE runlog_hooks DROP COLUMN IF EXISTS sealed_key;
ALTER TABLE runlog_hooks DROP COLUMN IF EXISTS erased;
ALTER TABLE runlog_executions DROP COLUMN IF EXISTS erased;

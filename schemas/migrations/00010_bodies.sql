-- +goose NO TRANSACTION

-- +goose Up
-- A body that is not in its record is in the blob store: body is empty then,
-- and blob its name there. files is a JSON array of the files in a body, as the
-- record has it (schemas.File).
ALTER TABLE runlog_hooks ADD COLUMN IF NOT EXISTS body_size UInt64 DEFAULT length(body) AFTER body;
ALTER TABLE runlog_hooks ADD COLUMN IF NOT EXISTS body_sha256 String AFTER body_size;
ALTER TABLE runlog_hooks ADD COLUMN IF NOT EXISTS blob String AFTER body_sha256;
ALTER TABLE runlog_hooks ADD COLUMN IF NOT EXISTS files String AFTER blob;

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

-- +goose Down
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
ALTER TABLE runlog_hooks DROP COLUMN IF EXISTS files;
ALTER TABLE runlog_hooks DROP COLUMN IF EXISTS blob;
ALTER TABLE runlog_hooks DROP COLUMN IF EXISTS body_sha256;
ALTER TABLE runlog_hooks DROP COLUMN IF EXISTS body_size;

-- +goose NO TRANSACTION

-- Rollups, a row per minute of acceptance. A minute is an ID's own, so that its
-- rows are neighbours in the tables and never change minutes.
--
-- They are exact under the writer's repeats because nothing is ever added up:
-- a minute that was written to is marked (after its rows, before the progress),
-- and a marked minute is computed anew from the replaced-by-themselves rows
-- (FINAL). A rollup counts only while it carries its minute's latest mark; a
-- minute that is marked and not yet computed is read from the rows themselves.
-- A materialized view would count a repeated block twice.

-- +goose Up
CREATE TABLE IF NOT EXISTS runlog_marks
(
    minute    DateTime('UTC'),
    mark      UInt64,
    marked_at DateTime('UTC') DEFAULT now('UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY minute
TTL minute + INTERVAL 3650 DAY;

CREATE TABLE IF NOT EXISTS runlog_rolled
(
    minute    DateTime('UTC'),
    mark      UInt64,
    rolled_at DateTime('UTC') DEFAULT now('UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY minute
TTL minute + INTERVAL 3650 DAY;

-- The mark is in the key, so that two that compute one minute at once never
-- replace each other's rows.
CREATE TABLE IF NOT EXISTS runlog_minutes
(
    level       LowCardinality(String),
    flow        LowCardinality(String),
    version     UInt32,
    step        LowCardinality(String),
    status      LowCardinality(String),
    minute      DateTime('UTC') CODEC(Delta, ZSTD(1)),
    mark        UInt64,
    n           UInt64,
    failed      UInt64,
    ended       UInt64,
    percentiles Array(Float64) CODEC(ZSTD(1)),
    durations   AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Float64) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (level, flow, step, version, status, minute, mark)
TTL minute + INTERVAL 3650 DAY;

CREATE OR REPLACE VIEW runlog_fresh AS
SELECT minute, mark FROM runlog_marks FINAL WHERE (minute, mark) IN (SELECT minute, mark FROM runlog_rolled FINAL);

CREATE OR REPLACE VIEW runlog_stale AS
SELECT minute, mark, marked_at FROM runlog_marks FINAL WHERE (minute, mark) NOT IN (SELECT minute, mark FROM runlog_rolled FINAL);

INSERT INTO runlog_marks (minute, mark)
SELECT DISTINCT toDateTime(intDiv(toUInt128(id), 72535549176877750482370560000) * 60, 'UTC'), 1 FROM runlog_executions;

-- What a roll inserts, of the minutes it is given: from these two.
CREATE OR REPLACE VIEW runlog_roll_executions AS
SELECT
    multiIf(flow = '', 'all', status = '', 'flow', 'execution') AS level,
    flow,
    version,
    '' AS step,
    status,
    minute,
    toUInt64(0) AS mark,
    count() AS n,
    countIf(status_of = 'failed') AS failed,
    countIf(timed) AS ended,
    quantilesExactIf(0.5, 0.95, 0.99)(ms, timed) AS percentiles,
    quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(ms, timed) AS durations
FROM
(
    SELECT flow, version, status, status AS status_of, toDateTime(intDiv(toUInt128(id), 72535549176877750482370560000) * 60, 'UTC') AS minute,
        assumeNotNull((toUnixTimestamp64Micro(ended_at) - toUnixTimestamp64Micro(started_at)) / 1000) AS ms,
        status IN ('succeeded', 'failed') AND isNotNull(ended_at) AS timed
    FROM runlog_executions FINAL
    WHERE intDiv(toUInt128(id), 72535549176877750482370560000) BETWEEN {first:UInt64} AND {last:UInt64}
)
GROUP BY GROUPING SETS ((minute, flow, version, status), (minute, flow), (minute));

CREATE OR REPLACE VIEW runlog_roll_steps AS
SELECT
    'step' AS level,
    flow,
    version,
    step,
    status,
    minute,
    toUInt64(0) AS mark,
    count() AS n,
    countIf(status_of = 'failed') AS failed,
    countIf(timed) AS ended,
    quantilesExactIf(0.5, 0.95, 0.99)(ms, timed) AS percentiles,
    quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(ms, timed) AS durations
FROM
(
    SELECT flow, version, step, status, status AS status_of, toDateTime(intDiv(toUInt128(execution_id), 72535549176877750482370560000) * 60, 'UTC') AS minute,
        duration_ms AS ms, attempt > 0 AS timed
    FROM runlog_steps FINAL
    WHERE intDiv(toUInt128(execution_id), 72535549176877750482370560000) BETWEEN {first:UInt64} AND {last:UInt64}
)
GROUP BY minute, flow, version, step, status;

-- All levels, what is rolled and what is not: the views below choose a level.
CREATE OR REPLACE VIEW runlog_all_executions AS
SELECT level, flow, version, status, minute, n, failed, ended, percentiles, durations FROM runlog_minutes FINAL
WHERE level != 'step' AND (minute, mark) IN (SELECT minute, mark FROM runlog_fresh)
UNION ALL
SELECT level, flow, version, status, minute, n, failed, ended, percentiles, durations FROM
(
    SELECT
        multiIf(flow = '', 'all', status = '', 'flow', 'execution') AS level,
        flow,
        version,
        '' AS step,
        status,
        minute,
        toUInt64(0) AS mark,
        count() AS n,
        countIf(status_of = 'failed') AS failed,
        countIf(timed) AS ended,
        quantilesExactIf(0.5, 0.95, 0.99)(ms, timed) AS percentiles,
        quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(ms, timed) AS durations
    FROM
    (
        SELECT flow, version, status, status AS status_of, toDateTime(intDiv(toUInt128(id), 72535549176877750482370560000) * 60, 'UTC') AS minute,
            assumeNotNull((toUnixTimestamp64Micro(ended_at) - toUnixTimestamp64Micro(started_at)) / 1000) AS ms,
            status IN ('succeeded', 'failed') AND isNotNull(ended_at) AS timed
        FROM runlog_executions FINAL
        WHERE intDiv(toUInt128(id), 72535549176877750482370560000) IN (SELECT toUInt128(intDiv(toUnixTimestamp(minute), 60)) FROM runlog_stale)
    )
    GROUP BY GROUPING SETS ((minute, flow, version, status), (minute, flow), (minute))
);

CREATE OR REPLACE VIEW execution_minutes AS
SELECT minute, flow, version, status, n AS executions, ended, percentiles[1] AS p50_ms, percentiles[2] AS p95_ms, percentiles[3] AS p99_ms, durations
FROM runlog_all_executions WHERE level = 'execution';

CREATE OR REPLACE VIEW flow_minutes AS
SELECT minute, flow, n AS executions, failed, ended, percentiles[1] AS p50_ms, percentiles[2] AS p95_ms, percentiles[3] AS p99_ms, durations
FROM runlog_all_executions WHERE level = 'flow';

CREATE OR REPLACE VIEW minutes AS
SELECT minute, n AS executions, failed, ended, percentiles[1] AS p50_ms, percentiles[2] AS p95_ms, percentiles[3] AS p99_ms, durations
FROM runlog_all_executions WHERE level = 'all';

CREATE OR REPLACE VIEW step_minutes AS
SELECT minute, flow, version, step, status, n AS attempts, ended, percentiles[1] AS p50_ms, percentiles[2] AS p95_ms, percentiles[3] AS p99_ms, durations FROM
(
    SELECT flow, version, step, status, minute, n, failed, ended, percentiles, durations FROM runlog_minutes FINAL
    WHERE level = 'step' AND (minute, mark) IN (SELECT minute, mark FROM runlog_fresh)
    UNION ALL
    SELECT flow, version, step, status, minute, n, failed, ended, percentiles, durations FROM
    (
        SELECT
            'step' AS level,
            flow,
            version,
            step,
            status,
            minute,
            toUInt64(0) AS mark,
            count() AS n,
            countIf(status_of = 'failed') AS failed,
            countIf(timed) AS ended,
            quantilesExactIf(0.5, 0.95, 0.99)(ms, timed) AS percentiles,
            quantilesDDStateIf(0.01, 0.5, 0.95, 0.99)(ms, timed) AS durations
        FROM
        (
            SELECT flow, version, step, status, status AS status_of, toDateTime(intDiv(toUInt128(execution_id), 72535549176877750482370560000) * 60, 'UTC') AS minute,
                duration_ms AS ms, attempt > 0 AS timed
            FROM runlog_steps FINAL
            WHERE intDiv(toUInt128(execution_id), 72535549176877750482370560000) IN (SELECT toUInt128(intDiv(toUnixTimestamp(minute), 60)) FROM runlog_stale)
        )
        GROUP BY minute, flow, version, step, status
    )
);

-- Text: of errors any part, of bodies words.
ALTER TABLE runlog_executions ADD INDEX IF NOT EXISTS by_error lowerUTF8(error) TYPE text(tokenizer = ngrams(3));
ALTER TABLE runlog_steps ADD INDEX IF NOT EXISTS by_error lowerUTF8(error) TYPE text(tokenizer = ngrams(3));
ALTER TABLE runlog_hooks ADD INDEX IF NOT EXISTS by_words body TYPE text(tokenizer = splitByNonAlpha, preprocessor = lowerUTF8(body));

-- +goose Down
ALTER TABLE runlog_hooks DROP INDEX IF EXISTS by_words;
ALTER TABLE runlog_steps DROP INDEX IF EXISTS by_error;
ALTER TABLE runlog_executions DROP INDEX IF EXISTS by_error;
DROP VIEW IF EXISTS step_minutes;
DROP VIEW IF EXISTS minutes;
DROP VIEW IF EXISTS flow_minutes;
DROP VIEW IF EXISTS execution_minutes;
DROP VIEW IF EXISTS runlog_all_executions;
DROP VIEW IF EXISTS runlog_roll_steps;
DROP VIEW IF EXISTS runlog_roll_executions;
DROP VIEW IF EXISTS runlog_stale;
DROP VIEW IF EXISTS runlog_fresh;
DROP TABLE IF EXISTS runlog_minutes;
DROP TABLE IF EXISTS runlog_rolled;
DROP TABLE IF EXISTS runlog_marks;

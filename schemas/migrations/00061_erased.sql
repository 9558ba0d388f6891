-- +goose NO TRANSACTION

-- +goose Up
-- The executions of an erasure under way: a mutation asks this table.
CREATE TABLE IF NOT EXISTS runlog_erased
(
    erasure    String,
    id         UUID,
    created_at DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree
ORDER BY (erasure, id)
TTL created_at + INTERVAL 30 DAY;

-- What a mutation replaced is on the disk for this long, 8 minutes by default.
ALTER TABLE runlog_hooks MODIFY SETTING old_parts_lifetime = 60;
ALTER TABLE runlog_steps MODIFY SETTING old_parts_lifetime = 60;
ALTER TABLE runlog_executions MODIFY SETTING old_parts_lifetime = 60;
ALTER TABLE runlog_differences MODIFY SETTING old_parts_lifetime = 60;

-- +goose Down
ALTER TABLE runlog_differences RESET SETTING old_parts_lifetime;
ALTER TABLE runlog_executions RESET SETTING old_parts_lifetime;
ALTER TABLE runlog_steps RESET SETTING old_parts_lifetime;
ALTER TABLE runlog_hooks RESET SETTING old_parts_lifetime;
DROP TABLE IF EXISTS runlog_erased;

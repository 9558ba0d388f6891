-- +goose NO TRANSACTION

-- +goose Up
-- The execution whose step called this one's flow, as the hook's header has it;
-- empty for a hook from outside.
ALTER TABLE runlog_hooks ADD COLUMN IF NOT EXISTS caller String AFTER sealed_key;

-- +goose Down
ALTER TABLE runlog_hooks DROP COLUMN IF EXISTS caller;

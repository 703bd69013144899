-- +goose Up

--   rivers  whether to tell also of what gauges measure
ALTER TABLE subscription ADD COLUMN rivers BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE subscription DROP COLUMN rivers;

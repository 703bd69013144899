-- +goose Up

-- What people who wait for a message are told: when the neighbour's node took
-- it, and why it ended without that ("withdrawn", or the code of the refusal).
ALTER TABLE exchange_message ADD COLUMN taken_at BIGINT;
ALTER TABLE exchange_message ADD COLUMN cause TEXT;

-- Since when a participant has the status it has, and a peer has been away (0: it is not).
ALTER TABLE exchange_participant ADD COLUMN status_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exchange_peer ADD COLUMN down_since BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE exchange_peer DROP COLUMN down_since;
ALTER TABLE exchange_participant DROP COLUMN status_at;
ALTER TABLE exchange_message DROP COLUMN cause;
ALTER TABLE exchange_message DROP COLUMN taken_at;

-- +goose Up

-- What is to be told. "texts" is a list of text keys with their arguments, the
-- first one the headline; nothing in it is personal.
CREATE TABLE notify_outbox (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    class        TEXT   NOT NULL CHECK (class IN ('A', 'B', 'C')),
    organisation TEXT   NOT NULL,           -- '' is the whole node
    unique_key   TEXT   NOT NULL,
    texts        TEXT   NOT NULL,
    link         TEXT   NOT NULL,
    created_at   BIGINT NOT NULL
) /*strict*/;
CREATE UNIQUE INDEX notify_outbox_unique ON notify_outbox (kind, unique_key) WHERE unique_key <> '';
CREATE INDEX notify_outbox_age ON notify_outbox (created_at);

-- One row per notification and channel it goes out by.
CREATE TABLE notify_delivery (
    notification TEXT   NOT NULL,
    channel      TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    state        TEXT   NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'dropped')),
    attempt      BIGINT NOT NULL,
    tried_at     BIGINT NOT NULL,           -- 0: not yet
    error        TEXT   NOT NULL,           -- of the last attempt, without addresses
    PRIMARY KEY (notification, channel)
) /*strict*/;
CREATE INDEX notify_delivery_channel ON notify_delivery (channel, tried_at);

-- +goose Down
DROP TABLE notify_delivery;
DROP TABLE notify_outbox;

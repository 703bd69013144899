-- +goose Up

-- Receivers that somebody entered on a page or by a command, one address each, in
-- versions: the last one counts. "target" is sealed under the key of the receiver, which
-- is destroyed with all versions when its time is over. Times are ms.
CREATE TABLE channel_receiver (
    id           TEXT   NOT NULL,
    version      BIGINT NOT NULL,         -- from 1
    channel      TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    channel_kind TEXT   NOT NULL CHECK (channel_kind = kind),
    name         TEXT   NOT NULL,
    lang         TEXT   NOT NULL CHECK (lang IN ('cs', 'de', 'pl', 'en')),
    places       TEXT   NOT NULL,         -- JSON
    minimum      TEXT   NOT NULL,
    takes        TEXT   NOT NULL,         -- JSON
    ack          BIGINT NOT NULL,
    target       BYTEA  NOT NULL,
    mark         TEXT   NOT NULL,         -- tells two addresses apart without telling them
    seal_key     BIGINT NOT NULL,
    from_at      BIGINT NOT NULL,         -- nothing is sent before
    until_at     BIGINT NOT NULL,         -- nothing is sent after it; all is deleted
    ended        BIGINT NOT NULL,
    action       TEXT   NOT NULL CHECK (action IN ('add', 'change', 'end', 'undo')),
    reason       TEXT   NOT NULL,
    person       TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (id, version)
) /*strict*/;

-- +goose Down
DROP TABLE channel_receiver;

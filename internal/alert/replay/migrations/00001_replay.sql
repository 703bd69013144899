-- +goose Up

-- Who was asked to acknowledge what was published.
CREATE TABLE replay_receipt (
    id              TEXT   NOT NULL PRIMARY KEY, -- in the link: whoever has it may acknowledge
    kind            TEXT   NOT NULL CHECK (kind IN ('exercise', 'test')),
    notice          TEXT   NOT NULL,
    revision        BIGINT NOT NULL,
    sender          TEXT   NOT NULL,             -- organisation
    organisation    TEXT   NOT NULL,             -- who is asked
    name            TEXT   NOT NULL,
    language        TEXT   NOT NULL,             -- in which he was told
    title           TEXT   NOT NULL,
    asked_at        BIGINT NOT NULL,             -- unix milliseconds
    acknowledged_at BIGINT NOT NULL,             -- 0: not yet
    missed_at       BIGINT NOT NULL,             -- when the sender was told that it is missing; 0: not
    UNIQUE (notice, revision, organisation)
) /*strict*/;

-- +goose Down
DROP TABLE replay_receipt;

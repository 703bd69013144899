-- +goose Up

-- What organisations are asked to acknowledge: a notice's message, or an official warning
-- at a level.
CREATE TABLE board_item (
    ref    TEXT   NOT NULL PRIMARY KEY,
    kind   TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    owner  TEXT   NOT NULL,
    level  TEXT   NOT NULL,
    titles TEXT   NOT NULL,
    link   TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    until  BIGINT NOT NULL,
    gone   BIGINT NOT NULL
) /*strict*/;

CREATE INDEX board_item_by_time ON board_item (at);

-- Who acknowledged for his organisation, when, reading which language.
CREATE TABLE board_ack (
    ref          TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    person       TEXT   NOT NULL,
    lang         TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (ref, organisation)
) /*strict*/;

-- Whom a missing acknowledgement was told, so that it is told once for each step.
CREATE TABLE board_told (
    ref          TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    step         BIGINT NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    at           BIGINT NOT NULL,
    PRIMARY KEY (ref, organisation, step)
) /*strict*/;

-- +goose Down
DROP TABLE board_told;
DROP TABLE board_ack;
DROP TABLE board_item;

-- +goose Up

-- What was written in the phrasebook after it was shipped, oldest first. Rows are
-- never changed: a message names the version it was written by.
CREATE TABLE phrase_row (
    seq        BIGINT NOT NULL PRIMARY KEY,
    id         TEXT   NOT NULL,
    version    TEXT   NOT NULL,
    grp        TEXT   NOT NULL,
    slots      TEXT   NOT NULL,
    cs         TEXT   NOT NULL,
    de         TEXT   NOT NULL,
    pl         TEXT   NOT NULL,
    en         TEXT   NOT NULL,
    retired    BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    person     TEXT   NOT NULL
) /*strict*/;

-- Who found which text right, or took that back; the newest of a text counts.
CREATE TABLE phrase_check (
    seq     BIGINT NOT NULL PRIMARY KEY,
    id      TEXT   NOT NULL,
    version TEXT   NOT NULL,
    lang    TEXT   NOT NULL CHECK (lang IN ('cs', 'de', 'pl', 'en')),
    checked BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    person  TEXT   NOT NULL
) /*strict*/;

-- +goose Down
DROP TABLE phrase_check;
DROP TABLE phrase_row;

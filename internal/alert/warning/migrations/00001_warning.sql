-- +goose Up

-- Documents of feeds as they were fetched; the bytes lie under their digest beside the
-- database. Times are ms.
CREATE TABLE warning_document (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    feed       TEXT   NOT NULL,
    series     TEXT   NOT NULL,
    digest     TEXT   NOT NULL,          -- SHA-256 of the bytes
    link       TEXT   NOT NULL,          -- where the bytes are kept when not under their digest
    size       BIGINT NOT NULL,
    place      BIGINT NOT NULL,          -- among the documents of its series
    whole      BIGINT NOT NULL,
    issued     TEXT   NOT NULL,          -- as it says
    fetched    BIGINT NOT NULL,          -- for the first time
    again      BIGINT NOT NULL,          -- for the last time
    warnings   BIGINT NOT NULL,
    deviations TEXT   NOT NULL           -- JSON
) /*strict*/;
CREATE INDEX warning_document_place ON warning_document (kind, feed, series, place);
CREATE INDEX warning_document_digest ON warning_document (digest);

-- Of each series what its newest whole document says of all.
CREATE TABLE warning_series (
    kind     TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    feed     TEXT   NOT NULL,
    series   TEXT   NOT NULL,
    whole    BIGINT NOT NULL,
    whole_id TEXT   NOT NULL,
    issued   BIGINT NOT NULL,
    fetched  BIGINT NOT NULL,
    quiet    BIGINT NOT NULL,
    no_data  BIGINT NOT NULL,
    listed   BIGINT NOT NULL,
    PRIMARY KEY (kind, feed, series)
) /*strict*/;

-- One warning as one feed carries it. Which copies are one warning is computed, from
-- what they say and from the decisions of people.
CREATE TABLE warning_copy (
    id       TEXT   NOT NULL PRIMARY KEY,
    kind     TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    source   TEXT   NOT NULL,
    native   TEXT   NOT NULL,            -- by which the feed knows it
    seq      BIGINT NOT NULL,            -- in which order they came
    first_at BIGINT NOT NULL
) /*strict*/;

CREATE TABLE warning_seen (
    copy     TEXT   NOT NULL,
    series   TEXT   NOT NULL,            -- kind/feed/series
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    every    TEXT   NOT NULL,            -- JSON, of bulletins alone
    PRIMARY KEY (copy, series)
) /*strict*/;
CREATE INDEX warning_seen_series ON warning_seen (series, last_at);

-- What a copy said, from one observation to another.
CREATE TABLE warning_version (
    copy      TEXT   NOT NULL,
    bare      BIGINT NOT NULL,           -- 1: it is only named
    from_sent BIGINT NOT NULL,
    from_doc  BIGINT NOT NULL,
    to_sent   BIGINT NOT NULL,
    to_doc    BIGINT NOT NULL,
    digest    TEXT   NOT NULL,           -- of the content
    content   TEXT   NOT NULL,           -- JSON
    received  BIGINT NOT NULL,
    document  TEXT   NOT NULL,
    PRIMARY KEY (copy, bare, from_sent, from_doc, digest)
) /*strict*/;
CREATE INDEX warning_version_document ON warning_version (document);

-- What people said is one warning, and what is not.
CREATE TABLE warning_decision (
    id        TEXT   NOT NULL PRIMARY KEY,
    kind      TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    joins     BIGINT NOT NULL,           -- 0: parts
    one_side  TEXT   NOT NULL,           -- JSON, ids of copies
    other     TEXT   NOT NULL,           -- JSON
    at        BIGINT NOT NULL,
    person    TEXT   NOT NULL,
    reason    TEXT   NOT NULL,
    undone_at BIGINT NOT NULL,           -- 0: it holds
    undone_by TEXT   NOT NULL
) /*strict*/;

-- How often something changed: who compares the number need not read the rows.
CREATE TABLE warning_count (
    id      BIGINT NOT NULL PRIMARY KEY,
    changes BIGINT NOT NULL,
    seq     BIGINT NOT NULL              -- the last that a copy got
) /*strict*/;

-- +goose Down
DROP TABLE warning_count;
DROP TABLE warning_decision;
DROP TABLE warning_version;
DROP TABLE warning_seen;
DROP TABLE warning_copy;
DROP TABLE warning_series;
DROP TABLE warning_document;

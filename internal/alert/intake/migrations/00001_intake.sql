-- +goose Up

-- One row per source that was ever switched or fetched.
CREATE TABLE intake_source (
    source      TEXT   NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')), -- of what was taken last
    switched_on BIGINT NOT NULL,            -- 1: a person has switched it on
    switched_at BIGINT NOT NULL,            -- unix milliseconds; 0: never
    switched_by TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    next_at     BIGINT NOT NULL,            -- not before
    asked_at    BIGINT NOT NULL,            -- the last attempt
    answered_at BIGINT NOT NULL,            -- the last one that was understood, news or not
    changed_at  BIGINT NOT NULL,            -- the last news
    issued_at   BIGINT NOT NULL,            -- what the news say of their own age; 0: nothing
    failures    BIGINT NOT NULL,            -- one after another
    failed_at   BIGINT NOT NULL,            -- the first of them
    diagnosis   TEXT   NOT NULL,            -- of the last failure; '' while it works
    document    BIGINT NOT NULL,            -- the last that was taken
    address     TEXT   NOT NULL,            -- where it came from
    entries     BIGINT NOT NULL,
    quiet       BIGINT NOT NULL,
    no_data     BIGINT NOT NULL,
    parts       BIGINT NOT NULL,
    missing     BIGINT NOT NULL,
    incomplete  TEXT   NOT NULL,            -- diagnosis of the first part that is missing
    deviations  BIGINT NOT NULL,
    listed      TEXT   NOT NULL,            -- the first of them
    skew        BIGINT NOT NULL             -- the sender's clock against ours, milliseconds
) /*strict*/;

-- What was answered last at an address, for conditional questions.
CREATE TABLE intake_resource (
    source   TEXT   NOT NULL,
    address  TEXT   NOT NULL,
    etag     TEXT   NOT NULL,
    modified TEXT   NOT NULL,
    digest   TEXT   NOT NULL,               -- of the last document that was understood
    refused  TEXT   NOT NULL,               -- of the last one that was not
    bad      BIGINT NOT NULL,               -- that one
    version  TEXT   NOT NULL,
    document BIGINT NOT NULL,
    used_at  BIGINT NOT NULL,
    PRIMARY KEY (source, address)
) /*strict*/;

-- Originals as they came, kept before anything is read of them. The bytes lie beside the database.
CREATE TABLE intake_document (
    id         BIGINT NOT NULL PRIMARY KEY,
    source     TEXT   NOT NULL,
    kind       TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    fetched_at BIGINT NOT NULL,
    address    TEXT   NOT NULL,
    status     BIGINT NOT NULL,
    headers    TEXT   NOT NULL,
    ref        TEXT   NOT NULL,             -- of the bytes, packed
    size       BIGINT NOT NULL,             -- of the document
    digest     TEXT   NOT NULL,
    until      BIGINT NOT NULL              -- kept till then, and as long as it is in use
) /*strict*/;
CREATE INDEX intake_document_source ON intake_document (source, id);
CREATE INDEX intake_document_ref    ON intake_document (ref);
CREATE INDEX intake_document_until  ON intake_document (until);

-- +goose Down
DROP TABLE intake_document;
DROP TABLE intake_resource;
DROP TABLE intake_source;

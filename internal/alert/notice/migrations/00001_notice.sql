-- +goose Up

-- A notice and whose it is. What became of it stands in notice_event.
CREATE TABLE notice (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    at           BIGINT NOT NULL
) /*strict*/;

CREATE INDEX notice_by_organisation ON notice (organisation, at);

-- Every step of every notice, in order. Rows are never changed: the state is what the
-- steps have made of it.
CREATE TABLE notice_event (
    notice  TEXT   NOT NULL,
    seq     BIGINT NOT NULL,
    kind    TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    step    TEXT   NOT NULL,
    purpose TEXT   NOT NULL,
    content BIGINT NOT NULL,
    person  TEXT   NOT NULL,
    reason  TEXT   NOT NULL,
    second  BIGINT NOT NULL,
    fit     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (notice, seq)
) /*strict*/;

-- The texts, one row for each; an edit is a new one.
CREATE TABLE notice_content (
    notice  TEXT   NOT NULL,
    content BIGINT NOT NULL,
    kind    TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    body    TEXT   NOT NULL,
    PRIMARY KEY (notice, content)
) /*strict*/;

-- What went out, as it went out: the signed message. Channels take it from here.
CREATE TABLE notice_published (
    notice       TEXT   NOT NULL,
    revision     BIGINT NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    organisation TEXT   NOT NULL,
    identifier   TEXT   NOT NULL,
    sender       TEXT   NOT NULL,
    sent         BIGINT NOT NULL,
    expires      BIGINT NOT NULL,
    purpose      TEXT   NOT NULL,
    title        TEXT   NOT NULL,
    document     TEXT   NOT NULL,
    PRIMARY KEY (notice, revision)
) /*strict*/;

CREATE UNIQUE INDEX notice_by_identifier ON notice_published (identifier);
CREATE INDEX notice_by_sent ON notice_published (kind, sent);

-- Templates that were written in the product, oldest first, and who found which text right.
CREATE TABLE notice_template (
    seq     BIGINT NOT NULL PRIMARY KEY,
    id      TEXT   NOT NULL,
    version TEXT   NOT NULL,
    body    TEXT   NOT NULL,
    retired BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    person  TEXT   NOT NULL
) /*strict*/;

CREATE TABLE notice_check (
    seq     BIGINT NOT NULL PRIMARY KEY,
    id      TEXT   NOT NULL,
    version TEXT   NOT NULL,
    lang    TEXT   NOT NULL CHECK (lang IN ('cs', 'de', 'pl', 'en')),
    checked BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    person  TEXT   NOT NULL
) /*strict*/;

-- Who may be the second person for whom, and who is on duty. A row is ended, not changed.
CREATE TABLE notice_delegation (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    deputy       TEXT   NOT NULL,
    person       TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    since        BIGINT NOT NULL,
    until        BIGINT NOT NULL,
    reason       TEXT   NOT NULL,
    granted_by   TEXT   NOT NULL,
    at           BIGINT NOT NULL
) /*strict*/;

CREATE TABLE notice_duty (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    person       TEXT   NOT NULL,
    phone        TEXT   NOT NULL,
    since        BIGINT NOT NULL,
    until        BIGINT NOT NULL,
    entered_by   TEXT   NOT NULL,
    at           BIGINT NOT NULL
) /*strict*/;

CREATE TABLE notice_ended (
    id     TEXT   NOT NULL PRIMARY KEY,
    person TEXT   NOT NULL,
    at     BIGINT NOT NULL
) /*strict*/;

-- The key that signs, sealed under the node's; the newest counts.
CREATE TABLE notice_key (
    seq  BIGINT NOT NULL PRIMARY KEY,
    cert BYTEA  NOT NULL,
    key  BYTEA  NOT NULL,
    at   BIGINT NOT NULL
) /*strict*/;

-- +goose Down
DROP TABLE notice_key;
DROP TABLE notice_ended;
DROP TABLE notice_duty;
DROP TABLE notice_delegation;
DROP TABLE notice_check;
DROP TABLE notice_template;
DROP TABLE notice_published;
DROP TABLE notice_content;
DROP TABLE notice_event;
DROP TABLE notice;

-- +goose Up

-- What a deputy at another node has said: that he agrees, and who is on duty there.
CREATE TABLE notice_far_deputy (
    delegation   TEXT   NOT NULL PRIMARY KEY,
    other        TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    agreed       BIGINT NOT NULL,
    heard        BIGINT NOT NULL,
    duty         TEXT   NOT NULL,
    failed       TEXT   NOT NULL
) /*strict*/;

-- For whom at other nodes officers here were asked to answer, and whether that was agreed.
CREATE TABLE notice_far_delegation (
    other        TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    name         TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    since        BIGINT NOT NULL,
    until        BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    agreed       BIGINT NOT NULL,
    agreed_by    TEXT   NOT NULL,
    ended        BIGINT NOT NULL,
    ended_by     TEXT   NOT NULL,
    PRIMARY KEY (other, id)
) /*strict*/;

-- Requests that went to another node: exactly what was asked, and what came back.
CREATE TABLE notice_far_request (
    id         TEXT   NOT NULL PRIMARY KEY,
    notice     TEXT   NOT NULL,
    content    BIGINT NOT NULL,
    kind       TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    delegation TEXT   NOT NULL,
    other      TEXT   NOT NULL,
    body       TEXT   NOT NULL,
    digest     TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    letter     BIGINT NOT NULL,
    failed     TEXT   NOT NULL,
    closed     BIGINT NOT NULL,
    why        TEXT   NOT NULL,
    answer     TEXT   NOT NULL,
    draft      BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    answered   BIGINT NOT NULL,
    came       BIGINT NOT NULL,
    late       BIGINT NOT NULL
) /*strict*/;

CREATE INDEX notice_far_request_by_notice ON notice_far_request (notice);

-- Requests that came from another node, and what was answered here.
CREATE TABLE notice_far_asked (
    id           TEXT   NOT NULL PRIMARY KEY,
    other        TEXT   NOT NULL,
    request      TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    delegation   TEXT   NOT NULL,
    body         TEXT   NOT NULL,
    digest       TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    until        BIGINT NOT NULL,
    closed       BIGINT NOT NULL,
    why          TEXT   NOT NULL,
    answer       TEXT   NOT NULL,
    draft        BIGINT NOT NULL,
    person       TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    answered     BIGINT NOT NULL
) /*strict*/;

CREATE INDEX notice_far_asked_by_organisation ON notice_far_asked (organisation, at);

-- +goose Down
DROP TABLE notice_far_asked;
DROP TABLE notice_far_request;
DROP TABLE notice_far_delegation;
DROP TABLE notice_far_deputy;

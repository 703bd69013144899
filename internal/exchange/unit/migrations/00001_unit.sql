-- +goose Up

-- The units of the control rooms of this node. Coordinates are millionths of a
-- degree; a unit's former positions are not kept. Names of persons are in no column.
CREATE TABLE unit_own (
    id          TEXT   NOT NULL PRIMARY KEY,
    org         TEXT   NOT NULL,
    kind        TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    call_sign   TEXT   NOT NULL,
    type        TEXT   NOT NULL,        -- code of the catalogue
    station     TEXT   NOT NULL,
    home_lat    BIGINT,                 -- of the station; NULL: not known
    home_lon    BIGINT,
    lat         BIGINT,                 -- reported last; NULL: at its station, or not known
    lon         BIGINT,
    position_at BIGINT NOT NULL,
    source      TEXT   NOT NULL,        -- of the reported position
    status      TEXT   NOT NULL,
    status_at   BIGINT NOT NULL,
    status_by   TEXT   NOT NULL,        -- id of a person; '': a system
    ready       BIGINT NOT NULL,        -- minutes to turn out; -1: not known
    crew        BIGINT NOT NULL,        -- how many; -1: not known
    skills      TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    UNIQUE (org, call_sign)
) /*strict*/;

-- What was done with a unit, by whom; positions are not among it.
CREATE TABLE unit_change (
    unit   TEXT   NOT NULL,
    seq    BIGINT NOT NULL,
    org    TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    person TEXT   NOT NULL,             -- id; '': a system
    what   TEXT   NOT NULL,             -- create, edit, status, remove
    was    TEXT   NOT NULL,             -- statuses
    became TEXT   NOT NULL,
    PRIMARY KEY (unit, seq)
) /*strict*/;

-- How often something changed: who compares the numbers need not read the rows.
CREATE TABLE unit_count (
    org       TEXT   NOT NULL PRIMARY KEY,
    changes   BIGINT NOT NULL,          -- of own units but for positions, and of visibility
    positions BIGINT NOT NULL,
    seen      BIGINT NOT NULL           -- of neighbours' units
) /*strict*/;

-- What a neighbour's address may see; no row: nothing.
CREATE TABLE unit_visibility (
    org        TEXT   NOT NULL,
    other      TEXT   NOT NULL,
    rules      TEXT   NOT NULL,         -- JSON
    version    BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    person     TEXT   NOT NULL,
    PRIMARY KEY (org, other)
) /*strict*/;

-- Requests for the catalogue of types that are to be answered.
CREATE TABLE unit_question (
    org      TEXT   NOT NULL,
    other    TEXT   NOT NULL,
    request  TEXT   NOT NULL,
    own      TEXT   NOT NULL,
    until    BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    PRIMARY KEY (org, other, request)
) /*strict*/;

-- Neighbours who asked to be told; what they have is in unit_sent.
CREATE TABLE unit_subscriber (
    org       TEXT   NOT NULL,
    other     TEXT   NOT NULL,
    own       TEXT   NOT NULL,
    sub       TEXT   NOT NULL,
    until     BIGINT NOT NULL,
    whole     BIGINT NOT NULL,          -- 1: all of it is to be sent, not the difference
    seq       BIGINT NOT NULL,
    changes   BIGINT NOT NULL,          -- of unit_count when it was sent
    positions BIGINT NOT NULL,
    moved_at  BIGINT NOT NULL,          -- when positions were sent last
    sent_at   BIGINT NOT NULL,
    PRIMARY KEY (org, other)
) /*strict*/;

CREATE TABLE unit_sent (
    org   TEXT NOT NULL,
    other TEXT NOT NULL,
    unit  TEXT NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (org, other, unit)
) /*strict*/;

-- Neighbours whose units people here want to see.
CREATE TABLE unit_follow (
    org        TEXT   NOT NULL,
    other      TEXT   NOT NULL,
    own        TEXT   NOT NULL,
    person     TEXT   NOT NULL,
    request    TEXT   NOT NULL,         -- for their catalogue
    asked_at   BIGINT NOT NULL,
    answer_at  BIGINT NOT NULL,         -- 0: their system has not answered
    tells      BIGINT NOT NULL,         -- 1: their system tells of units
    sub        TEXT   NOT NULL,
    began_at   BIGINT NOT NULL,         -- of sub
    renewed_at BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    gap        BIGINT NOT NULL,         -- 1: a message is missing
    heard_at   BIGINT NOT NULL,         -- all that is there held then
    PRIMARY KEY (org, other)
) /*strict*/;

CREATE TABLE unit_seen (
    org      TEXT   NOT NULL,
    other    TEXT   NOT NULL,
    unit     TEXT   NOT NULL,
    body     TEXT   NOT NULL,
    heard_at BIGINT NOT NULL,
    PRIMARY KEY (org, other, unit)
) /*strict*/;

-- Neighbours' words for their types.
CREATE TABLE unit_label (
    org   TEXT NOT NULL,
    other TEXT NOT NULL,
    code  TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (org, other, code)
) /*strict*/;

-- +goose Down
DROP TABLE unit_label;
DROP TABLE unit_seen;
DROP TABLE unit_follow;
DROP TABLE unit_sent;
DROP TABLE unit_subscriber;
DROP TABLE unit_question;
DROP TABLE unit_visibility;
DROP TABLE unit_count;
DROP TABLE unit_change;
DROP TABLE unit_own;

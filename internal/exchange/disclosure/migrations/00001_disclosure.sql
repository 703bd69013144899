-- +goose Up

-- The rules as they were from a time on; the newest version holds. None: the rules
-- the program comes with.
CREATE TABLE disclosure_version (
    version BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    person  TEXT   NOT NULL,
    note    TEXT   NOT NULL,           -- why, in the words of who changed them
    rules   TEXT   NOT NULL            -- as CSV
) /*strict*/;

-- What was decided about each personal value of each message. It holds names of
-- fields and no value.
CREATE TABLE disclosure_decision (
    id       TEXT   PRIMARY KEY,
    at       BIGINT NOT NULL,
    message  TEXT   NOT NULL,          -- its messageId
    incident TEXT   NOT NULL,          -- its sharedIncidentId
    peer     TEXT   NOT NULL,
    app      TEXT   NOT NULL,
    class    TEXT   NOT NULL,
    version  BIGINT NOT NULL,          -- of the rules; 0: those the program comes with
    path     TEXT   NOT NULL,
    action   TEXT   NOT NULL,
    rule     TEXT   NOT NULL,
    held     BIGINT NOT NULL           -- 1: it did not go on
) /*strict*/;
CREATE INDEX disclosure_decision_message ON disclosure_decision (message);
CREATE INDEX disclosure_decision_at ON disclosure_decision (at);

-- What may be asked for and did not go on, sealed with the key of its incident.
CREATE TABLE disclosure_held (
    incident TEXT   NOT NULL,
    peer     TEXT   NOT NULL,
    part     TEXT   NOT NULL,          -- group of fields
    at       BIGINT NOT NULL,
    body     BYTEA  NOT NULL,          -- empty: deleted
    key_id   BIGINT NOT NULL,
    own      BIGINT NOT NULL,          -- 1: the key is of this row alone
    PRIMARY KEY (incident, peer, part)
) /*strict*/;

-- In an emergency everything passes, for one incident and one neighbour.
CREATE TABLE disclosure_emergency (
    id           TEXT   PRIMARY KEY,
    organisation TEXT   NOT NULL,
    incident     TEXT   NOT NULL,
    peer         TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    person       TEXT   NOT NULL,
    reason       BYTEA  NOT NULL,      -- sealed with the key of the incident
    key_id       BIGINT NOT NULL,
    own          BIGINT NOT NULL,      -- 1: the key is of this row alone
    reviewed_at  BIGINT NOT NULL,      -- 0: nobody has looked at it yet
    reviewed_by  TEXT   NOT NULL,
    verdict      TEXT   NOT NULL,      -- right or wrong
    note         TEXT   NOT NULL
) /*strict*/;
CREATE INDEX disclosure_emergency_open ON disclosure_emergency (reviewed_at, at);

-- +goose Down
DROP TABLE disclosure_emergency;
DROP TABLE disclosure_held;
DROP TABLE disclosure_decision;
DROP TABLE disclosure_version;

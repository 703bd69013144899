-- +goose Up

-- What was changed of the crosswalk. A row that has none is as the program brings it.
CREATE TABLE classification_row (
    key     TEXT   NOT NULL,
    since   TEXT   NOT NULL,           -- first day, '' for always
    version BIGINT NOT NULL,           -- 1 is the first change; the highest counts
    at      BIGINT NOT NULL,
    person  TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    body    TEXT   NOT NULL,           -- JSON of the whole row
    PRIMARY KEY (key, since, version)
) /*strict*/;

-- Neighbours' requests for our catalogue that were answered, or could not be.
CREATE TABLE classification_answer (
    entry   BIGINT NOT NULL PRIMARY KEY, -- of the request in the node's log
    at      BIGINT NOT NULL,
    reply   BIGINT NOT NULL,             -- the answer in the log, 0 for none
    refusal TEXT   NOT NULL              -- key of the reason, '' when it was answered
) /*strict*/;

-- What we asked neighbours for. The message itself, with its kind, is in the node's log.
CREATE TABLE classification_question (
    id          TEXT   NOT NULL PRIMARY KEY,
    own         TEXT   NOT NULL,
    oid         TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    person      TEXT   NOT NULL,
    answered_at BIGINT NOT NULL
) /*strict*/;

-- Neighbours' catalogues, by the version they give them.
CREATE TABLE classification_catalogue (
    oid     TEXT   NOT NULL,
    version TEXT   NOT NULL,
    at      BIGINT NOT NULL,           -- received last
    entry   BIGINT NOT NULL,           -- of that message in the node's log
    body    TEXT   NOT NULL,           -- JSON of the entries
    PRIMARY KEY (oid, version)
) /*strict*/;

-- +goose Down
DROP TABLE classification_catalogue;
DROP TABLE classification_question;
DROP TABLE classification_answer;
DROP TABLE classification_row;

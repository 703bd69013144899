-- +goose Up

-- Every version of every row; the last of an id holds. A removed row stays as history.
CREATE TABLE agreement_version (
    id      TEXT   NOT NULL,
    version BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    person  TEXT   NOT NULL,           -- id of a person; 'shipped' or 'operator'
    action  TEXT   NOT NULL,           -- ship, edit, import, verify, remove
    content TEXT   NOT NULL,           -- the row as JSON; no personal data but ids
    PRIMARY KEY (id, version)
) /*strict*/;

-- Original forms that stand in for the layout of ours.
CREATE TABLE agreement_form (
    form    TEXT   NOT NULL PRIMARY KEY,
    name    TEXT   NOT NULL,           -- of the file
    kind    TEXT   NOT NULL,           -- media type
    content TEXT   NOT NULL,           -- SHA-256 of its bytes
    bytes   BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    person  TEXT   NOT NULL
) /*strict*/;

-- +goose Down
DROP TABLE agreement_form;
DROP TABLE agreement_version;

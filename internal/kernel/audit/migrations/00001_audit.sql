-- +goose Up
-- One event each. Ids count up from 1 without a gap: all writes of a node are
-- serial. Ids and times only; "hash" is a MAC of the content under the key
-- "key_id" of seal_key, or under the node's own salt when key_id is 0.
CREATE TABLE audit_leaf (
    id     BIGINT NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL,
    action TEXT   NOT NULL,
    actor  TEXT   NOT NULL,
    object TEXT   NOT NULL,
    key_id BIGINT NOT NULL,
    hash   BYTEA  NOT NULL
) /*strict*/;

-- The hashes of the tree in the order in which its leaves complete them, 256 in
-- a row: a row for each would be twice as many writes as there are leaves.
CREATE TABLE audit_hash (
    page   BIGINT NOT NULL PRIMARY KEY,
    hashes BYTEA  NOT NULL
) /*strict*/;

-- Signed heads, one for each hour in which something was recorded: its last.
CREATE TABLE audit_head (
    serial BIGINT NOT NULL PRIMARY KEY,
    note   TEXT   NOT NULL
) /*strict*/;

-- +goose Down
DROP TABLE audit_head;
DROP TABLE audit_hash;
DROP TABLE audit_leaf;

-- +goose Up
-- One key per subject (an incident, or a message that belongs to none). Deleting
-- personal data is emptying "wrapped": every copy of what it sealed, backups
-- included, is unreadable from then on.
CREATE TABLE seal_key (
    id           BIGINT NOT NULL PRIMARY KEY,
    subject      TEXT   NOT NULL,
    wrapped      BYTEA,
    created_at   BIGINT NOT NULL,
    destroyed_at BIGINT
) /*strict*/;
CREATE UNIQUE INDEX seal_key_subject ON seal_key (subject) WHERE wrapped IS NOT NULL;

-- +goose Down
DROP TABLE seal_key;

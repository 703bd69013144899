-- +goose Up

-- A password of before that the neighbour may still sign in with; NULL for none.
ALTER TABLE exchange_link ADD COLUMN old_secret BYTEA;

-- What is to change of a link in use, until a second person says yes. Passwords
-- are sealed with the link's key; what is empty or NULL stays as it is.
CREATE TABLE exchange_link_change (
    link        TEXT   NOT NULL PRIMARY KEY,
    base_url    TEXT   NOT NULL,
    password    BYTEA,
    secret      BYTEA,
    key_id      BIGINT NOT NULL,
    proposed_by TEXT   NOT NULL,
    proposed_at BIGINT NOT NULL
) /*strict*/;

-- +goose Down
DROP TABLE exchange_link_change;
ALTER TABLE exchange_link DROP COLUMN old_secret;

-- +goose Up
-- When an open incident was last seen to keep a desk's session beyond its end: it
-- goes on for some minutes after, so that nobody is signed out unannounced.
ALTER TABLE identity_session ADD COLUMN held_at BIGINT NOT NULL DEFAULT 0;

-- Sessions that ended by themselves, so that a form sent too late waits for its
-- author. Personal: who worked in which browser, and what he wrote; deleted half a
-- day after the end, the form an hour after it came, when it is sent or thrown
-- away, and when somebody else signs in in that browser.
CREATE TABLE identity_ended (
    hash    BYTEA  NOT NULL PRIMARY KEY,  -- SHA-256 of the token, as the session's
    person  TEXT   NOT NULL,
    session TEXT   NOT NULL,              -- id of the session in which he is back; '': not yet
    form    BYTEA  NOT NULL,              -- sealed; empty: none was sent
    until   BIGINT NOT NULL
) /*strict*/;
CREATE INDEX identity_ended_person ON identity_ended (person);
CREATE INDEX identity_ended_session ON identity_ended (session);

-- +goose Down
DROP TABLE identity_ended;
ALTER TABLE identity_session DROP COLUMN held_at;

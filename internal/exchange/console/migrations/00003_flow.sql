-- +goose Up

-- Changes of an event by who made them: the address and the number it has there. What
-- comes back on another way is known again, what has been looked at is not looked at
-- again, also when the tables are built anew from the feed.
CREATE TABLE console_origin (
    org      TEXT   NOT NULL,
    origin   TEXT   NOT NULL,
    entry    BIGINT NOT NULL,            -- the message that told it first; 0: it was made here
    incident TEXT   NOT NULL,
    kind     TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    state    TEXT   NOT NULL CHECK (state IN ('own', 'due', 'done', 'left')),
    reason   TEXT   NOT NULL,            -- why it is left to a person
    told     TEXT   NOT NULL,            -- addresses it was passed on to
    PRIMARY KEY (org, origin)
) /*strict*/;
CREATE INDEX console_origin_incident ON console_origin (org, incident);
CREATE INDEX console_origin_entry    ON console_origin (org, entry);
CREATE INDEX console_origin_due      ON console_origin (org, entry) WHERE state = 'due';

-- What came before stays with people.
INSERT INTO console_origin (org, origin, entry, incident, kind, state, reason, told)
    SELECT m.org, m.other || '/' || m.message_id, m.entry, m.incident, m.kind, 'left', '', '' FROM console_message m
    WHERE m.form = 'update' AND m.incoming = 1 AND NOT EXISTS (SELECT 1 FROM console_message n
        WHERE n.org = m.org AND n.other = m.other AND n.message_id = m.message_id AND n.form = 'update' AND n.incoming = 1 AND n.entry < m.entry);

-- Events in which a person has said whether changes pass on by themselves.
CREATE TABLE console_flow (
    org      TEXT   NOT NULL,
    incident TEXT   NOT NULL,
    active   BIGINT NOT NULL,
    PRIMARY KEY (org, incident)
) /*strict*/;

-- +goose Down
DROP TABLE console_flow;
DROP TABLE console_origin;

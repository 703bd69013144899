-- +goose Up

-- How far each organisation's feed has been read into the tables below.
CREATE TABLE console_position (
    org        TEXT   NOT NULL PRIMARY KEY,
    position   BIGINT NOT NULL,
    addresses  TEXT   NOT NULL,             -- whose feed it was: others mean reading anew
    rebuilding BIGINT NOT NULL,
    replayed   BIGINT NOT NULL              -- last action done again
) /*strict*/;

-- An incident, or a message without one. What the queue sorts and filters by
-- stands in columns: times, state, the neighbour's address, the sender's keyword
-- (type) and the municipality (city), none of which names a person. What else a
-- row shows is sealed in summary with the incident's key.
CREATE TABLE console_incident (
    org        TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    kind       TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    shared_id  TEXT   NOT NULL,             -- '' without an incident
    app        TEXT   NOT NULL,
    message    TEXT   NOT NULL,
    incoming   BIGINT NOT NULL,
    own        TEXT   NOT NULL,
    other      TEXT   NOT NULL,
    first_at   BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    type       TEXT   NOT NULL,
    city       TEXT   NOT NULL,
    danger     BIGINT NOT NULL,
    late       BIGINT NOT NULL,
    state      TEXT   NOT NULL,
    state_at   BIGINT NOT NULL,
    closed     BIGINT NOT NULL,
    summary    BYTEA  NOT NULL,
    tokens     BYTEA  NOT NULL,             -- its rows of console_search, 8 bytes each; empty while it is open
    key_id     BIGINT NOT NULL,
    PRIMARY KEY (org, id)
) /*strict*/;
CREATE INDEX console_incident_open    ON console_incident (org, first_at)     WHERE closed = 0;
CREATE INDEX console_incident_closed  ON console_incident (org, changed_at)   WHERE closed = 1;
CREATE INDEX console_incident_archive ON console_incident (org, first_at, id) WHERE closed = 1;

-- What closed incidents can be found by. A token is a keyed hash of a word's
-- beginning, a number, a keyword or an address; its key is that of the month in
-- which the incident was stored, so that it tells nothing, in any copy, once that
-- month is deleted. The rows of one incident go with its content.
CREATE TABLE console_search (
    org      TEXT   NOT NULL,
    token    BIGINT NOT NULL,
    at       BIGINT NOT NULL,               -- first_at of the incident
    incident TEXT   NOT NULL,
    PRIMARY KEY (org, token, at, incident)
) /*strict*/;

-- The key of an organisation's month: for tokens, and for words of persons that
-- belong to no incident.
CREATE TABLE console_month (
    org    TEXT   NOT NULL,
    month  TEXT   NOT NULL,                 -- 2026-11, UTC
    key_id BIGINT NOT NULL,
    PRIMARY KEY (org, month)
) /*strict*/;

-- What was handed over and waits for a person's answer. Its number is the
-- message's in the node's log.
CREATE TABLE console_handover (
    org          TEXT   NOT NULL,
    entry        BIGINT NOT NULL,
    incident     TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    app          TEXT   NOT NULL,
    incoming     BIGINT NOT NULL,
    own          TEXT   NOT NULL,
    other        TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    state_at     BIGINT NOT NULL,
    stored_at    BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    sent_at      BIGINT NOT NULL,
    danger       BIGINT NOT NULL,
    late         BIGINT NOT NULL,
    differs      BIGINT NOT NULL,           -- a confirmed value differs
    opened_at    BIGINT NOT NULL,
    opened_by    TEXT   NOT NULL,
    decided_at   BIGINT NOT NULL,
    decided_by   TEXT   NOT NULL,           -- our person
    answer       BIGINT NOT NULL,           -- entry of the answer; 0: none
    confirmation BIGINT NOT NULL,           -- entry of the confirming text
    ending       BIGINT NOT NULL,           -- entry of the completion
    phone_due    BIGINT NOT NULL,           -- outgoing: telephone then
    nobody_at    BIGINT NOT NULL,           -- outgoing: "telephone now" since then
    ring_due     BIGINT NOT NULL,           -- incoming: rings again then
    closed_at    BIGINT NOT NULL,           -- a person put it away
    key_id       BIGINT NOT NULL,
    PRIMARY KEY (org, entry)
) /*strict*/;
CREATE INDEX console_handover_incident ON console_handover (org, incident, entry);
CREATE INDEX console_handover_stored   ON console_handover (org, stored_at);
CREATE INDEX console_handover_phone ON console_handover (org, phone_due)
    WHERE incoming = 0 AND nobody_at = 0 AND state IN ('handed_over', 'delivered', 'read', 'expired', 'failed');
CREATE INDEX console_handover_ring ON console_handover (org, ring_due) WHERE ring_due > 0;
CREATE INDEX console_handover_other ON console_handover (org, other, entry) WHERE incoming = 0;

-- Every message of an own address, with what became of it.
CREATE TABLE console_message (
    org          TEXT   NOT NULL,
    entry        BIGINT NOT NULL,
    incident     TEXT   NOT NULL,
    handover     BIGINT NOT NULL,           -- the one it belongs to; 0: none
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    app          TEXT   NOT NULL,
    message      TEXT   NOT NULL,
    form         TEXT   NOT NULL,
    incoming     BIGINT NOT NULL,
    own          TEXT   NOT NULL,
    other        TEXT   NOT NULL,
    message_id   TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    late         BIGINT NOT NULL,
    expired      BIGINT NOT NULL,           -- incoming: nobody took it in time
    author       TEXT   NOT NULL,
    delivered_at BIGINT NOT NULL,
    read_at      BIGINT NOT NULL,
    failed_at    BIGINT NOT NULL,
    withdrawn_at BIGINT NOT NULL,
    receipt      BIGINT NOT NULL,           -- entry of the node's receipt
    seen_at      BIGINT NOT NULL,
    seen_by      TEXT   NOT NULL,
    key_id       BIGINT NOT NULL,
    PRIMARY KEY (org, entry)
) /*strict*/;
CREATE INDEX console_message_incident ON console_message (org, incident, entry);
CREATE INDEX console_message_id       ON console_message (org, message_id);
CREATE INDEX console_message_way      ON console_message (org, entry)
    WHERE incoming = 0 AND delivered_at = 0 AND failed_at = 0 AND withdrawn_at = 0;
CREATE INDEX console_message_unseen   ON console_message (org, incident) WHERE incoming = 1 AND seen_at = 0;

-- Wanted resources, by the number the asking side gave them.
CREATE TABLE console_resource (
    org        TEXT   NOT NULL,
    handover   BIGINT NOT NULL,
    request    TEXT   NOT NULL,
    other      TEXT   NOT NULL,
    status     TEXT   NOT NULL,
    changed_at BIGINT NOT NULL,
    key_id     BIGINT NOT NULL,
    PRIMARY KEY (org, handover, request)
) /*strict*/;
CREATE INDEX console_resource_request ON console_resource (org, other, request, handover);

-- What persons did, and what fell due: not in any message, so it is kept when the
-- tables above are built anew. after_entry is the newest entry known then.
CREATE TABLE console_action (
    seq         BIGINT NOT NULL PRIMARY KEY,
    org         TEXT   NOT NULL,
    after_entry BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    person      TEXT   NOT NULL,            -- '' is the console itself
    what        TEXT   NOT NULL,
    incident    TEXT   NOT NULL,
    handover    BIGINT NOT NULL,
    entry       BIGINT NOT NULL,            -- the message sent by it; 0: none
    detail      TEXT   NOT NULL,            -- a key or a number, never personal
    note        BYTEA  NOT NULL,            -- words of a person, sealed
    key_id      BIGINT NOT NULL
) /*strict*/;
CREATE INDEX console_action_incident ON console_action (org, incident, seq);
CREATE INDEX console_action_entry    ON console_action (org, entry);
CREATE INDEX console_action_seq      ON console_action (org, seq);
CREATE INDEX console_action_shelve   ON console_action (org, at)    WHERE what = 'shelve';

-- What a person has to do.
CREATE TABLE console_alarm (
    org           TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    kind          TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    class         TEXT   NOT NULL CHECK (class IN ('A', 'B', 'C')),
    cause         TEXT   NOT NULL,
    incident      TEXT   NOT NULL,
    handover      BIGINT NOT NULL,
    other         TEXT   NOT NULL,
    reason        TEXT   NOT NULL,          -- key of a text
    raised_at     BIGINT NOT NULL,
    waiting_at    BIGINT NOT NULL,
    step          BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL,
    seen_by       TEXT   NOT NULL,
    ended_at      BIGINT NOT NULL,
    ended_by      TEXT   NOT NULL,          -- address of who accepted after all
    escalated_at  BIGINT NOT NULL,
    second_at     BIGINT NOT NULL,
    shelved_until BIGINT NOT NULL,
    shelved_by    TEXT   NOT NULL,
    note          BYTEA  NOT NULL,          -- why shelved, sealed
    key_id        BIGINT NOT NULL,
    PRIMARY KEY (org, id)
) /*strict*/;
CREATE INDEX console_alarm_open     ON console_alarm (org, raised_at) WHERE seen_at = 0 OR ended_at = 0 AND cause = 'telephone';
CREATE INDEX console_alarm_incident ON console_alarm (org, incident);
CREATE INDEX console_alarm_raised   ON console_alarm (org, raised_at);
CREATE INDEX console_alarm_link     ON console_alarm (org, other)     WHERE cause = 'link' AND ended_at = 0;

-- Who is handling an incident at the moment.
CREATE TABLE console_claim (
    org      TEXT   NOT NULL,
    incident TEXT   NOT NULL,
    person   TEXT   NOT NULL,
    until    BIGINT NOT NULL,
    PRIMARY KEY (org, incident)
) /*strict*/;

-- The control rooms we call: numbers are an office's, not a person's.
CREATE TABLE console_neighbour (
    org      TEXT   NOT NULL,
    oid      TEXT   NOT NULL,
    numbers  TEXT   NOT NULL,               -- JSON: [{"number", "by", "at"}], in the order they are called
    langs    TEXT   NOT NULL,               -- spoken there, the first one is written
    after_ms BIGINT NOT NULL,
    else_ms  BIGINT NOT NULL,
    PRIMARY KEY (org, oid)
) /*strict*/;

-- Test calls to them.
CREATE TABLE console_call (
    org     TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    oid     TEXT   NOT NULL,
    number  TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    person  TEXT   NOT NULL,
    outcome TEXT   NOT NULL CHECK (outcome IN ('reached', 'no_answer', 'wrong')),
    PRIMARY KEY (org, id)
) /*strict*/;
CREATE INDEX console_call_oid ON console_call (org, oid, at);

CREATE TABLE console_draft (
    id         TEXT   NOT NULL PRIMARY KEY,
    org        TEXT   NOT NULL,
    person     TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    body       BYTEA  NOT NULL,
    key_id     BIGINT NOT NULL
) /*strict*/;
CREATE INDEX console_draft_person ON console_draft (org, person);

-- Idempotency keys of forms, with the result of the first time.
CREATE TABLE console_once (
    org    TEXT   NOT NULL,
    id     TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    result TEXT   NOT NULL,
    PRIMARY KEY (org, id)
) /*strict*/;

-- Open consoles on all instances.
CREATE TABLE console_stream (
    id       TEXT   NOT NULL PRIMARY KEY,
    org      TEXT   NOT NULL,
    person   TEXT   NOT NULL,
    instance TEXT   NOT NULL,
    armed    BIGINT NOT NULL,
    since    BIGINT NOT NULL,
    beat_at  BIGINT NOT NULL
) /*strict*/;

CREATE TABLE console_shift (
    id         TEXT   NOT NULL PRIMARY KEY,
    org        TEXT   NOT NULL,
    person     TEXT   NOT NULL,
    started_at BIGINT NOT NULL,
    tested_at  BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    successor  TEXT   NOT NULL,
    taken_at   BIGINT NOT NULL,
    incidents  TEXT   NOT NULL,             -- JSON array of ids
    note       BYTEA  NOT NULL,
    key_id     BIGINT NOT NULL
) /*strict*/;
CREATE INDEX console_shift_org ON console_shift (org, started_at);

-- +goose Down
DROP TABLE console_shift;
DROP TABLE console_stream;
DROP TABLE console_once;
DROP TABLE console_draft;
DROP TABLE console_call;
DROP TABLE console_neighbour;
DROP TABLE console_claim;
DROP TABLE console_alarm;
DROP TABLE console_action;
DROP TABLE console_resource;
DROP TABLE console_message;
DROP TABLE console_handover;
DROP TABLE console_month;
DROP TABLE console_search;
DROP TABLE console_incident;
DROP TABLE console_position;

-- +goose Up

-- One row per message and destination, from acceptance to its end. The envelope
-- is sealed with the key of its incident; what queues, lists and receipts need
-- without the key stands beside it: addresses and app (routing), times (order,
-- expiry), ids (de-duplication, receipts). None of these names a person.
CREATE TABLE exchange_message (
    id          BIGINT NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    source      TEXT   NOT NULL,
    message_id  TEXT   NOT NULL,
    destination TEXT   NOT NULL,
    app         TEXT   NOT NULL,
    message     TEXT   NOT NULL,
    ack         TEXT   NOT NULL,
    sent_date   TEXT   NOT NULL,
    timeout     BIGINT NOT NULL,            -- seconds
    accepted_at BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    origin      TEXT   NOT NULL CHECK (origin IN ('client', 'peer', 'node')),
    peer        TEXT   NOT NULL,            -- where it came from or goes to; '' for none
    seq         BIGINT,                     -- local destinations only, from 1
    state       TEXT   NOT NULL CHECK (state IN ('queued', 'outgoing', 'awaiting', 'committed', 'forwarded', 'expired', 'refused')),
    status      BIGINT,                     -- the terminal receipt: 200, 502, 504
    ended_at    BIGINT,
    key_id      BIGINT NOT NULL,
    mac         BYTEA  NOT NULL,            -- of the content, keyed by the incident's key
    envelope    BYTEA  NOT NULL             -- original bytes, sealed
) /*strict*/;
CREATE UNIQUE INDEX exchange_message_identity ON exchange_message (message_id, source, destination);
CREATE INDEX exchange_message_queued   ON exchange_message (destination, seq)      WHERE state = 'queued';
CREATE INDEX exchange_message_outgoing ON exchange_message (destination, kind, id) WHERE state = 'outgoing';
CREATE INDEX exchange_message_expiry   ON exchange_message (expires_at)            WHERE ended_at IS NULL;

-- The last sequence number given per local destination; it only rises.
CREATE TABLE exchange_queue (
    destination TEXT   NOT NULL PRIMARY KEY,
    last_seq    BIGINT NOT NULL
) /*strict*/;

-- Remote destinations with something to send, and which instance is sending.
CREATE TABLE exchange_outbox (
    destination TEXT   NOT NULL,
    kind        TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    peer        TEXT   NOT NULL,
    active      BIGINT NOT NULL,
    holder      TEXT   NOT NULL,
    lease_until BIGINT NOT NULL,
    PRIMARY KEY (destination, kind)
) /*strict*/;

-- What the neighbours' registers said last.
CREATE TABLE exchange_participant (
    oid    TEXT NOT NULL PRIMARY KEY,
    peer   TEXT NOT NULL,
    record TEXT NOT NULL
) /*strict*/;

CREATE TABLE exchange_peer (
    id           TEXT   NOT NULL PRIMARY KEY,
    fetched      BIGINT NOT NULL,           -- 1: fetched since the node started
    fetched_at   BIGINT NOT NULL,
    failed_at    BIGINT NOT NULL,
    failure      TEXT   NOT NULL,
    skew         BIGINT NOT NULL,           -- its clock minus ours, milliseconds
    quarantined  BIGINT NOT NULL
) /*strict*/;

CREATE TABLE exchange_presence (
    oid     TEXT   NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL,
    online  BIGINT NOT NULL
) /*strict*/;

-- +goose Down
DROP TABLE exchange_presence;
DROP TABLE exchange_peer;
DROP TABLE exchange_participant;
DROP TABLE exchange_outbox;
DROP TABLE exchange_queue;
DROP TABLE exchange_message;

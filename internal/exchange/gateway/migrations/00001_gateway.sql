-- +goose Up

-- One row per gateway: how far it has read of the log, and how its line is.
CREATE TABLE gateway_line (
    gateway     TEXT   NOT NULL PRIMARY KEY,
    position    BIGINT NOT NULL,            -- of the exchange's log
    cursor      TEXT   NOT NULL,            -- of a transport that has one
    contact_at  BIGINT NOT NULL,            -- unix milliseconds; 0: never
    down_since  BIGINT NOT NULL,            -- 0 while it works
    failure     TEXT   NOT NULL             -- text key of why it is down
) /*strict*/;

-- What goes to a foreign system: messages of the log, and receipts for its machine.
-- Bytes and loss report are sealed with the key of the incident.
CREATE TABLE gateway_out (
    id          BIGINT NOT NULL PRIMARY KEY,
    gateway     TEXT   NOT NULL,
    kind        TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    entry       BIGINT NOT NULL,            -- in exchange_message; 0 of a receipt
    answers     BIGINT NOT NULL,            -- the row of gateway_in a receipt is for; 0 of a message
    source      TEXT   NOT NULL,
    message_id  TEXT   NOT NULL,            -- in UCRI 2; '' of a receipt
    foreign_id  TEXT   NOT NULL,            -- '' when it could not be written
    state       TEXT   NOT NULL CHECK (state IN ('waiting', 'sent', 'done', 'refused', 'expired')),
    reason      TEXT   NOT NULL,            -- text key of why it was refused
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,            -- not before
    tries       BIGINT NOT NULL,
    sent_at     BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL,
    key_id      BIGINT NOT NULL,
    body        BYTEA  NOT NULL,
    loss        BYTEA  NOT NULL,
    answer      BYTEA  NOT NULL             -- the other side's words
) /*strict*/;
CREATE UNIQUE INDEX gateway_out_entry ON gateway_out (gateway, entry) WHERE entry > 0;
CREATE INDEX gateway_out_open    ON gateway_out (gateway, id) WHERE state IN ('waiting', 'sent');
CREATE INDEX gateway_out_foreign ON gateway_out (gateway, foreign_id);
CREATE INDEX gateway_out_answers ON gateway_out (answers) WHERE answers > 0;

-- What came from a foreign system, from the moment it is acknowledged. The bytes are
-- sealed with a key of their own until they belong to an incident.
CREATE TABLE gateway_in (
    id          BIGINT NOT NULL PRIMARY KEY,
    gateway     TEXT   NOT NULL,
    kind        TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    delivery_id TEXT   NOT NULL,
    digest      BYTEA  NOT NULL,            -- of the bytes, keyed by the node's key
    media_type  TEXT   NOT NULL,
    volatile    BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('new', 'posted', 'receipt', 'repeated', 'tray', 'corrected', 'dismissed', 'lapsed')),
    sender      TEXT   NOT NULL,            -- addresses and ids in the foreign system; '' unread
    receiver    TEXT   NOT NULL,
    foreign_id  TEXT   NOT NULL,
    number      TEXT   NOT NULL,
    entry       BIGINT NOT NULL,            -- in exchange_message; 0: none
    posted_id   TEXT   NOT NULL,            -- its message id
    parent      BIGINT NOT NULL,            -- of a corrected copy
    reason      TEXT   NOT NULL,            -- text key of why a person is needed
    ended_at    BIGINT NOT NULL,
    ended_by    TEXT   NOT NULL,            -- id of a person
    key_id      BIGINT NOT NULL,
    body        BYTEA  NOT NULL,
    loss        BYTEA  NOT NULL,
    diagnosis   BYTEA  NOT NULL,
    note        BYTEA  NOT NULL
) /*strict*/;
CREATE INDEX gateway_in_delivery ON gateway_in (gateway, delivery_id);
CREATE INDEX gateway_in_digest   ON gateway_in (gateway, digest);
CREATE INDEX gateway_in_message  ON gateway_in (gateway, sender, foreign_id);
CREATE INDEX gateway_in_posted   ON gateway_in (gateway, posted_id) WHERE posted_id <> '';
CREATE INDEX gateway_in_new      ON gateway_in (gateway, id) WHERE state = 'new';
CREATE INDEX gateway_in_tray     ON gateway_in (id) WHERE state = 'tray';
CREATE UNIQUE INDEX gateway_in_parent ON gateway_in (parent) WHERE parent > 0;

-- Names of incidents: the foreign system's number and the UUID of UCRI 2.
CREATE TABLE gateway_incident (
    gateway     TEXT   NOT NULL,
    number      TEXT   NOT NULL,
    shared      TEXT   NOT NULL,
    last_in     BIGINT NOT NULL,            -- the row of what the system said of it last; 0: nothing
    last_id     TEXT   NOT NULL,            -- its message that handed the incident over; '': none
    told        BIGINT NOT NULL,            -- how often the system was told of it
    PRIMARY KEY (gateway, number)
) /*strict*/;
CREATE INDEX gateway_incident_shared ON gateway_incident (gateway, shared);

-- +goose Down
DROP TABLE gateway_incident;
DROP TABLE gateway_in;
DROP TABLE gateway_out;
DROP TABLE gateway_line;

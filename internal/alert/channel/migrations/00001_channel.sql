-- +goose Up

-- What is said, once for all who get it in the same words. Times are ms.
CREATE TABLE channel_text (
    id     TEXT   NOT NULL PRIMARY KEY,   -- of what it says
    lang   TEXT   NOT NULL CHECK (lang IN ('cs', 'de', 'pl', 'en')),
    title  TEXT   NOT NULL,
    body   TEXT   NOT NULL,
    short  TEXT   NOT NULL,               -- in the place of body where that does not fit
    link   TEXT   NOT NULL,
    source TEXT   NOT NULL                -- whose it is, as it is told to everybody
) /*strict*/;

-- One row for each address and revision: the outbox and its receipts. "target" is sealed
-- under the key of its notice or warning, "mark" tells two addresses apart without
-- telling them. A channel of one kind never holds what is of another.
CREATE TABLE channel_dispatch (
    id           TEXT   NOT NULL PRIMARY KEY,
    channel      TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    channel_kind TEXT   NOT NULL CHECK (channel_kind = kind),
    mark         TEXT   NOT NULL,
    target       BYTEA  NOT NULL,
    seal_key     BIGINT NOT NULL,
    receiver     TEXT   NOT NULL,         -- name in the configuration, '' for the public
    sort         TEXT   NOT NULL CHECK (sort IN ('notice', 'warning', 'subscription', 'trial')),
    ref          TEXT   NOT NULL,
    revision     TEXT   NOT NULL,
    content      TEXT   NOT NULL,         -- of channel_text
    stop         BYTEA  NOT NULL,         -- where one leaves the list, sealed; empty: nowhere
    ack          BIGINT NOT NULL,         -- a person is to acknowledge it
    state        TEXT   NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'accepted', 'delivered', 'failed', 'expired')),
    due          BIGINT NOT NULL,         -- next attempt, or the end of the lease
    attempt      BIGINT NOT NULL,
    holder       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,         -- nothing is sent after it
    tried_at     BIGINT NOT NULL,         -- 0: not yet
    done_at      BIGINT NOT NULL,         -- sent, accepted or given up; 0: not yet
    delivered_at BIGINT NOT NULL,
    acked_at     BIGINT NOT NULL,
    hop_id       TEXT   NOT NULL,         -- what the next hop calls it
    note         TEXT   NOT NULL,         -- what was done to the text to make it fit
    error        TEXT   NOT NULL,         -- of the last attempt, without addresses
    delete_at    BIGINT NOT NULL,         -- the whole row, with its address
    UNIQUE (channel, mark, sort, ref, revision)
) /*strict*/;
CREATE INDEX channel_dispatch_due ON channel_dispatch (channel, kind, due, id) WHERE state IN ('waiting', 'sending');
CREATE INDEX channel_dispatch_tried ON channel_dispatch (channel, kind, tried_at);
CREATE INDEX channel_dispatch_hop ON channel_dispatch (channel, hop_id) WHERE hop_id <> '';
CREATE INDEX channel_dispatch_ref ON channel_dispatch (sort, ref);
CREATE INDEX channel_dispatch_delete ON channel_dispatch (delete_at);
CREATE INDEX channel_dispatch_content ON channel_dispatch (content);

-- How a channel works, by its last messages and trials.
CREATE TABLE channel_health (
    channel   TEXT   NOT NULL,
    kind      TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    ok_at     BIGINT NOT NULL,            -- 0: never
    failed_at BIGINT NOT NULL,
    failures  BIGINT NOT NULL,            -- since it last worked
    error     TEXT   NOT NULL,
    PRIMARY KEY (channel, kind)
) /*strict*/;

-- What receivers were told last of each official warning.
CREATE TABLE channel_told (
    warning  TEXT   NOT NULL PRIMARY KEY,
    kind     TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    digest   TEXT   NOT NULL,             -- of what it said
    state    TEXT   NOT NULL,             -- in_force, or why it is over
    severity TEXT   NOT NULL,
    places   TEXT   NOT NULL,             -- ids of the municipalities concerned, JSON
    revision BIGINT NOT NULL,
    at       BIGINT NOT NULL
) /*strict*/;

-- +goose Down
DROP TABLE channel_told;
DROP TABLE channel_health;
DROP TABLE channel_dispatch;
DROP TABLE channel_text;

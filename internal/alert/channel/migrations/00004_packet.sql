-- +goose Up

-- Messages to many of the public, many to a row: a warning for everybody is in the outbox
-- in a second. The worker makes a row of channel_dispatch of each when its turn comes.
-- Times are ms.
CREATE TABLE channel_packet (
    id           TEXT   NOT NULL PRIMARY KEY,
    channel      TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    channel_kind TEXT   NOT NULL CHECK (channel_kind = kind),
    sort         TEXT   NOT NULL CHECK (sort = 'subscription'),
    ref          TEXT   NOT NULL,
    n            BIGINT NOT NULL,         -- of messages
    items        BYTEA  NOT NULL,         -- their addresses and what they get, sealed
    seal_key     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,         -- of the last of them; 0: none is to be sent any more
    delete_at    BIGINT NOT NULL
) /*strict*/;
CREATE INDEX channel_packet_turn ON channel_packet (channel, kind, created_at, id);

-- +goose Down
DROP TABLE channel_packet;

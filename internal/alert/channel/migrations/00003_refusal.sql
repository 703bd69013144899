-- +goose Up

-- Addresses of receivers that the next hop refused for good: an address that is not there
-- any more. A mark ends with the first message that is taken. Times are ms.
CREATE TABLE channel_refusal (
    channel  TEXT   NOT NULL,
    mark     TEXT   NOT NULL,             -- of the address, as in channel_dispatch
    kind     TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    receiver TEXT   NOT NULL,             -- name in the configuration
    error    TEXT   NOT NULL,             -- what was said, without addresses
    at       BIGINT NOT NULL,             -- first time in a row
    PRIMARY KEY (channel, mark)
) /*strict*/;

-- +goose Down
DROP TABLE channel_refusal;

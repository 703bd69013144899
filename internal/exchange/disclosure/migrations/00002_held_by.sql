-- +goose Up

-- Whose it is: two organisations of a node may work on one incident, and what one of
-- them withholds the other can neither give nor read. What was kept before names
-- nobody whose it is, so that nobody could give it any more: it goes.
DROP TABLE disclosure_held;
CREATE TABLE disclosure_held (
    organisation TEXT   NOT NULL,      -- id; '': of a dispatch system without one
    incident     TEXT   NOT NULL,
    peer         TEXT   NOT NULL,
    part         TEXT   NOT NULL,      -- group of fields
    at           BIGINT NOT NULL,
    body         BYTEA  NOT NULL,      -- empty: deleted
    key_id       BIGINT NOT NULL,
    own          BIGINT NOT NULL,      -- 1: the key is of this row alone
    PRIMARY KEY (organisation, incident, peer, part)
) /*strict*/;

-- +goose Down
DROP TABLE disclosure_held;
CREATE TABLE disclosure_held (
    incident TEXT   NOT NULL,
    peer     TEXT   NOT NULL,
    part     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    body     BYTEA  NOT NULL,
    key_id   BIGINT NOT NULL,
    own      BIGINT NOT NULL,
    PRIMARY KEY (incident, peer, part)
) /*strict*/;

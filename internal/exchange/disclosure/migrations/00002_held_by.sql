-- +goose Up

-- Whose it is: two organisations of a node may work on one incident, and what one of
-- them withholds the other can neither give nor read. What was kept before belongs to
-- nobody that could be told, and is only deleted in its time.
ALTER TABLE disclosure_held RENAME TO disclosure_held_before;
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
INSERT INTO disclosure_held (organisation, incident, peer, part, at, body, key_id, own)
    SELECT '', incident, peer, part, at, body, key_id, own FROM disclosure_held_before;
DROP TABLE disclosure_held_before;

-- +goose Down
CREATE TABLE disclosure_held_before (
    incident TEXT   NOT NULL,
    peer     TEXT   NOT NULL,
    part     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    body     BYTEA  NOT NULL,
    key_id   BIGINT NOT NULL,
    own      BIGINT NOT NULL,
    PRIMARY KEY (incident, peer, part)
) /*strict*/;
INSERT INTO disclosure_held_before (incident, peer, part, at, body, key_id, own)
    SELECT incident, peer, part, at, body, key_id, own FROM disclosure_held WHERE organisation = '';
DROP TABLE disclosure_held;
ALTER TABLE disclosure_held_before RENAME TO disclosure_held;

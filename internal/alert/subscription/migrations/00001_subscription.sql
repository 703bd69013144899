-- +goose Up

-- What somebody asked to be told. The address is sealed under a key of the node, and
-- known again by a keyed hash; everything here is deleted with the row.
--   target, target_hash  where to send; to count how often one address was asked for
--   lang                 in what language to write
--   municipalities, point, polygon  what place it is about
--   hazards, level, quiet_from, quiet_to, wording  what, from what level, when not, and whether each new wording
--   at, confirmed, until, reminded  to delete in time, and to say so before
CREATE TABLE subscription (
    number         BIGINT NOT NULL PRIMARY KEY,
    id             TEXT   NOT NULL UNIQUE,
    kind           TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    channel        TEXT   NOT NULL CHECK (channel IN ('email', 'webpush')),
    target         BYTEA  NOT NULL,
    target_hash    TEXT   NOT NULL,
    lang           TEXT   NOT NULL,
    municipalities TEXT   NOT NULL,
    point          TEXT   NOT NULL,
    polygon        TEXT   NOT NULL,
    hazards        BIGINT NOT NULL,
    level          BIGINT NOT NULL,
    quiet_from     BIGINT NOT NULL,
    quiet_to       BIGINT NOT NULL,
    wording        BIGINT NOT NULL,
    at             BIGINT NOT NULL,
    confirmed      BIGINT NOT NULL,
    until          BIGINT NOT NULL,
    reminded       BIGINT NOT NULL
) /*strict*/;

CREATE INDEX subscription_by_target ON subscription (target_hash, at);
CREATE INDEX subscription_by_until ON subscription (until);

-- What is to be told, in order; told_to is the last number that was reached.
CREATE TABLE subscription_change (
    seq     BIGINT NOT NULL PRIMARY KEY,
    kind    TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    ref     TEXT   NOT NULL,
    body    TEXT   NOT NULL,
    told_to BIGINT NOT NULL,
    done    BIGINT NOT NULL,
    at      BIGINT NOT NULL
) /*strict*/;

CREATE INDEX subscription_change_open ON subscription_change (done, seq);

-- What was told last of each warning and notice: the next change is against it.
CREATE TABLE subscription_known (
    ref    TEXT NOT NULL PRIMARY KEY,
    kind   TEXT NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    digest TEXT NOT NULL,
    body   TEXT NOT NULL
) /*strict*/;

-- One row that instances take turns on.
CREATE TABLE subscription_turn (
    name TEXT   NOT NULL PRIMARY KEY,
    n    BIGINT NOT NULL
) /*strict*/;


-- What waits for the end of somebody's quiet hours.
CREATE TABLE subscription_held (
    number BIGINT NOT NULL,
    change BIGINT NOT NULL,
    kind   TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    what   TEXT   NOT NULL,
    due    BIGINT NOT NULL,
    PRIMARY KEY (number, change)
) /*strict*/;

CREATE INDEX subscription_held_by_due ON subscription_held (due, number);

-- +goose Down
DROP TABLE subscription_held;
DROP TABLE subscription_turn;
DROP TABLE subscription_known;
DROP TABLE subscription_change;
DROP TABLE subscription;

-- +goose Up
-- For the pages of people who read the log. The two steps that every message takes
-- are left out: they are most of the rows by far, and each of them would pay for
-- three more places to write to.
CREATE INDEX audit_leaf_at     ON audit_leaf (at, id)         WHERE action <> 'exchange.accept' AND action <> 'exchange.commit';
CREATE INDEX audit_leaf_actor  ON audit_leaf (actor, at, id)  WHERE action <> 'exchange.accept' AND action <> 'exchange.commit';
CREATE INDEX audit_leaf_object ON audit_leaf (object, at, id) WHERE action <> 'exchange.accept' AND action <> 'exchange.commit';

-- The newest verification (id 1), and how far it has come.
CREATE TABLE audit_verification (
    id         BIGINT NOT NULL PRIMARY KEY,
    asked_by   TEXT   NOT NULL,             -- id of a person; '': the node itself, each night
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,             -- last sign of the one that runs
    ended_at   BIGINT NOT NULL,             -- 0: not yet
    done       BIGINT NOT NULL,             -- leaves so far
    total      BIGINT NOT NULL,
    report     TEXT   NOT NULL,             -- JSON of the last one that ended; '': none did
    reported   BIGINT NOT NULL              -- when that was
) /*strict*/;

-- +goose Down
DROP TABLE audit_verification;
DROP INDEX audit_leaf_object;
DROP INDEX audit_leaf_actor;
DROP INDEX audit_leaf_at;

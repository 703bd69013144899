-- +goose Up
-- One piece of background work each; it goes when it is done. "due" is when a
-- worker may take it: the time asked for, the next attempt, or the end of the
-- lease of the worker that has it (state 'running', "holder" names the lease).
-- The last CHECK keeps a worker of one kind from ever holding work of another,
-- whatever a query says.
CREATE TABLE job_task (
    id           BIGINT NOT NULL PRIMARY KEY,
    queue        TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    payload      BYTEA  NOT NULL,
    unique_key   TEXT   NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('waiting', 'running', 'dead')),
    due          BIGINT NOT NULL,
    attempt      BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    holder       TEXT   NOT NULL,
    holder_kind  TEXT,
    error        TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    CHECK (holder_kind IS NULL OR holder_kind = kind)
) /*strict*/;
CREATE INDEX job_task_due ON job_task (queue, kind, due, id) WHERE state <> 'dead';
CREATE UNIQUE INDEX job_task_unique ON job_task (queue, kind, unique_key) WHERE unique_key <> '' AND state <> 'dead';

CREATE TABLE job_schedule (
    queue TEXT   NOT NULL,
    kind  TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    spec  TEXT   NOT NULL,
    next  BIGINT NOT NULL,
    PRIMARY KEY (queue, kind)
) /*strict*/;

-- +goose Down
DROP TABLE job_schedule;
DROP TABLE job_task;

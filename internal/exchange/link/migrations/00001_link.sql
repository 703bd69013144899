-- +goose Up

-- What was done with a link, by whom; ids of persons only.
CREATE TABLE link_event (
    link   TEXT   NOT NULL,
    seq    BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    person TEXT   NOT NULL,
    action TEXT   NOT NULL,
    object TEXT   NOT NULL,            -- a fingerprint, a number of messages; '' for none
    PRIMARY KEY (link, seq)
) /*strict*/;

-- The last test of a link, step by step.
CREATE TABLE link_check (
    link   TEXT   NOT NULL,
    seq    BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    step   TEXT   NOT NULL,
    cause  TEXT   NOT NULL,            -- '': it worked
    detail TEXT   NOT NULL,
    PRIMARY KEY (link, seq)
) /*strict*/;

-- +goose Down
DROP TABLE link_check;
DROP TABLE link_event;

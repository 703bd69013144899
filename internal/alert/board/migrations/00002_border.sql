-- +goose Up

-- With which desks at other nodes an organisation shares its board. Both sides choose.
CREATE TABLE board_partner (
    organisation TEXT   NOT NULL,
    other        TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    person       TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (organisation, other)
) /*strict*/;

-- What an item says, for who reads it elsewhere, and by which marks two nodes know that
-- an official warning is one.
CREATE TABLE board_text (
    ref   TEXT NOT NULL PRIMARY KEY,
    texts TEXT NOT NULL,
    marks TEXT NOT NULL
) /*strict*/;

-- Which desks at other nodes were asked to acknowledge an item of this node.
CREATE TABLE board_asked (
    ref          TEXT   NOT NULL,
    other        TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    at           BIGINT NOT NULL,
    letter       BIGINT NOT NULL,
    failed       TEXT   NOT NULL,
    PRIMARY KEY (ref, other)
) /*strict*/;

-- Which desk at another node asked which organisation here to acknowledge an item, and
-- what it calls the item.
CREATE TABLE board_from (
    other        TEXT   NOT NULL,
    theirs       TEXT   NOT NULL,
    organisation TEXT   NOT NULL,
    ref          TEXT   NOT NULL,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    owner        TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (other, theirs, organisation)
) /*strict*/;

CREATE INDEX board_from_by_ref ON board_from (ref);

-- Acknowledgements made at other nodes, as they said.
CREATE TABLE board_far_ack (
    ref     TEXT   NOT NULL,
    other   TEXT   NOT NULL,
    office  TEXT   NOT NULL,
    kind    TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    name    TEXT   NOT NULL,
    country TEXT   NOT NULL,
    person  TEXT   NOT NULL,
    lang    TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    came    BIGINT NOT NULL,
    PRIMARY KEY (ref, other, office)
) /*strict*/;

-- +goose Down
DROP TABLE board_far_ack;
DROP TABLE board_from;
DROP TABLE board_asked;
DROP TABLE board_text;
DROP TABLE board_partner;

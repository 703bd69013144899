-- +goose Up

-- Gauges as the services tell of them. Coordinates are millionths of a degree, values
-- thousandths of a cm or m3/s, times milliseconds.
CREATE TABLE river_station (
    kind     TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    id       TEXT   NOT NULL,          -- service and its number
    service  TEXT   NOT NULL,
    number   TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    river    TEXT   NOT NULL,
    lat      BIGINT,
    lon      BIGINT,
    trend    TEXT   NOT NULL,          -- in the words of the service
    remarks  TEXT   NOT NULL,          -- a line each
    first_at BIGINT NOT NULL,          -- fetched first
    read_at  BIGINT NOT NULL,          -- fetched last
    endpoint TEXT   NOT NULL,
    PRIMARY KEY (kind, id)
) /*strict*/;

CREATE TABLE river_point (
    kind    TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    station TEXT   NOT NULL,
    unit    TEXT   NOT NULL CHECK (unit IN ('cm', 'm3/s')),
    at      BIGINT NOT NULL,           -- measured
    value   BIGINT NOT NULL,
    was     BIGINT,                    -- what the service said of the same moment before
    read_at BIGINT NOT NULL,           -- fetched
    mark    TEXT   NOT NULL,           -- '': good
    PRIMARY KEY (kind, station, unit, at)
) /*strict*/;

-- Where the stages of a service begin, each with the days between which it was told.
CREATE TABLE river_limit (
    kind     TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    station  TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    unit     TEXT   NOT NULL CHECK (unit IN ('cm', 'm3/s')),
    value    BIGINT NOT NULL,
    since    BIGINT NOT NULL,          -- fetched first
    until    BIGINT NOT NULL,          -- fetched without it; 0: holds
    endpoint TEXT   NOT NULL,
    PRIMARY KEY (kind, station, name, unit, since)
) /*strict*/;

-- Which number a service gives to a gauge of data/gauges.csv: said by a person, with source.
CREATE TABLE river_number (
    station TEXT   NOT NULL PRIMARY KEY,
    gauge   TEXT   NOT NULL,
    source  TEXT   NOT NULL,
    person  TEXT   NOT NULL,           -- id; '': the command line
    at      BIGINT NOT NULL
) /*strict*/;

-- How long a wave takes from one gauge to another: said by a person, with source.
CREATE TABLE river_travel (
    id         TEXT   NOT NULL PRIMARY KEY,
    upper      TEXT   NOT NULL,
    lower      TEXT   NOT NULL,
    least      BIGINT NOT NULL,        -- minutes
    most       BIGINT NOT NULL,
    source     TEXT   NOT NULL,
    valid_on   TEXT   NOT NULL,        -- day of the source
    person     TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL         -- 0: holds
) /*strict*/;

-- Times above a limit, and of a fast rise (name ''), of which people were told.
CREATE TABLE river_crossing (
    id      TEXT   NOT NULL PRIMARY KEY,
    kind    TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    gauge   TEXT   NOT NULL,
    unit    TEXT   NOT NULL,
    name    TEXT   NOT NULL,
    up_at   BIGINT NOT NULL,
    down_at BIGINT NOT NULL,           -- 0: lasts
    peak    BIGINT NOT NULL
) /*strict*/;
CREATE INDEX river_crossing_of ON river_crossing (kind, gauge, unit, name, down_at);

-- What was told.
CREATE TABLE river_alarm (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    gauge      TEXT   NOT NULL,
    cause      TEXT   NOT NULL,
    unit       TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    from_value BIGINT NOT NULL,        -- of the limit; 0 of a rise
    value      BIGINT NOT NULL,
    rise       BIGINT NOT NULL,        -- of a rise
    minutes    BIGINT NOT NULL,
    at         BIGINT NOT NULL,        -- measured
    told_at    BIGINT NOT NULL
) /*strict*/;
CREATE INDEX river_alarm_of ON river_alarm (kind, told_at);

-- Stages that an authority proclaimed, as somebody here wrote them down.
CREATE TABLE river_stage (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    gauge        TEXT   NOT NULL,
    country      TEXT   NOT NULL,
    stage        TEXT   NOT NULL,
    area         TEXT   NOT NULL,      -- municipality or district; '': at the gauge
    authority    TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    source       TEXT   NOT NULL,
    person       TEXT   NOT NULL,
    entered_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,      -- 0: holds
    end_source   TEXT   NOT NULL,
    end_person   TEXT   NOT NULL,
    end_entered  BIGINT NOT NULL
) /*strict*/;

-- From when values are right although they jump there: the zero of the gauge was moved,
-- or the river did it.
CREATE TABLE river_right (
    id      TEXT   NOT NULL PRIMARY KEY,
    kind    TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    gauge   TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    moved   BIGINT NOT NULL,           -- 1: the zero was moved
    source  TEXT   NOT NULL,
    person  TEXT   NOT NULL,
    entered_at BIGINT NOT NULL
) /*strict*/;

-- +goose Down
DROP TABLE river_right;
DROP TABLE river_stage;
DROP TABLE river_alarm;
DROP TABLE river_crossing;
DROP TABLE river_travel;
DROP TABLE river_number;
DROP TABLE river_limit;
DROP TABLE river_point;
DROP TABLE river_station;

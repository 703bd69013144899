-- +goose Up

-- 1: the service says that it has a forecast for the station, with values here or without.
ALTER TABLE river_station ADD COLUMN foretold BIGINT NOT NULL DEFAULT 0;

-- What a service expects, apart from what was measured: an issue of a forecast, and its
-- values.
CREATE TABLE river_forecast (
    kind     TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    station  TEXT   NOT NULL,
    issued   BIGINT NOT NULL,
    read_at  BIGINT NOT NULL,          -- fetched
    endpoint TEXT   NOT NULL,
    PRIMARY KEY (kind, station, issued)
) /*strict*/;

CREATE TABLE river_expected (
    kind     TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    station  TEXT   NOT NULL,
    issued   BIGINT NOT NULL,
    at       BIGINT NOT NULL,          -- expected for
    value    BIGINT NOT NULL,          -- thousandths of a cm
    estimate BIGINT NOT NULL,          -- 1: the service calls it an estimate
    PRIMARY KEY (kind, station, issued, at)
) /*strict*/;

-- What was told of forecasts: no alarm, nothing of it was measured.
CREATE TABLE river_hint (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL CHECK (kind IN ('live', 'exercise', 'test')),
    gauge      TEXT   NOT NULL,
    service    TEXT   NOT NULL,
    name       TEXT   NOT NULL,        -- of the limit that is reached
    from_value BIGINT NOT NULL,
    value      BIGINT NOT NULL,        -- the highest that is expected
    at         BIGINT NOT NULL,        -- when the limit is reached
    issued     BIGINT NOT NULL,
    told_at    BIGINT NOT NULL
) /*strict*/;
CREATE INDEX river_hint_of ON river_hint (kind, gauge, told_at);

-- +goose Down
DROP TABLE river_hint;
DROP TABLE river_expected;
DROP TABLE river_forecast;
ALTER TABLE river_station DROP COLUMN foretold;

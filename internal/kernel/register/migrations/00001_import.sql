-- +goose Up
-- What the operator imported, one row per thing that can be replaced: the tiles,
-- and the boundaries of one level of one country. The bytes lie in the store of files.
CREATE TABLE register_import (
    kind    TEXT   NOT NULL CHECK (kind IN ('boundaries', 'tiles')),
    country TEXT   NOT NULL CHECK (country IN ('', 'CZ', 'DE', 'PL')),
    level   TEXT   NOT NULL CHECK (level IN ('', 'country', 'district', 'municipality')),
    name    TEXT   NOT NULL, -- of the file, for people
    content TEXT   NOT NULL, -- SHA-256 of the bytes
    bytes   BIGINT NOT NULL,
    error_m BIGINT NOT NULL, -- how far a border may be off, metres
    at      BIGINT NOT NULL,
    PRIMARY KEY (kind, country, level)
) /*strict*/;

-- +goose Down
DROP TABLE register_import;

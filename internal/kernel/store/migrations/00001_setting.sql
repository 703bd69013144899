-- +goose Up
CREATE TABLE store_setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) /*strict*/;

-- +goose Down
DROP TABLE store_setting;

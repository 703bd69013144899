-- +goose Up

-- What was ill and since when. A row is open until the finding has been away for
-- a while (settled); coming back before that, it goes on.
CREATE TABLE health_finding (
    id       BIGINT NOT NULL PRIMARY KEY,
    check_id TEXT   NOT NULL,
    object   TEXT   NOT NULL,
    area     TEXT   NOT NULL,               -- text key
    text     TEXT   NOT NULL,               -- text key with arguments, nothing personal
    todo     TEXT   NOT NULL,               -- text key
    level    BIGINT NOT NULL,
    told     BIGINT NOT NULL,               -- the highest level people were told of
    since    BIGINT NOT NULL,
    until    BIGINT NOT NULL,               -- 0: still there
    settled  BIGINT NOT NULL,
    times    BIGINT NOT NULL,               -- how often it came back
    seen_at  BIGINT NOT NULL,               -- 0: nobody yet
    seen_by  TEXT   NOT NULL                -- id of a person
) /*strict*/;
CREATE UNIQUE INDEX health_finding_open ON health_finding (check_id, object) WHERE settled = 0;
CREATE INDEX health_finding_until ON health_finding (until);

-- +goose Down
DROP TABLE health_finding;

-- +goose Up

-- Every version of every row that somebody here wrote or took back; nothing is changed or
-- deleted. The last version of a code says by "holds" which one counts.
CREATE TABLE area_own (
    scheme  TEXT   NOT NULL,
    code    TEXT   NOT NULL,
    version BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    person  TEXT   NOT NULL,           -- id; 'operator': the command line
    action  TEXT   NOT NULL CHECK (action IN ('import', 'undo')),
    holds   BIGINT NOT NULL,           -- the version that counts from then on; 0: what is shipped
    held    BIGINT NOT NULL,           -- the one that counted before
    reason  TEXT   NOT NULL,
    content TEXT   NOT NULL,           -- of an import: the fields as a JSON list; '' of an undo
    PRIMARY KEY (scheme, code, version)
) /*strict*/;

-- +goose Down
DROP TABLE area_own;

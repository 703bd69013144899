-- +goose Up

-- Neighbours' nodes that people connected while the node ran. Both passwords are
-- sealed. Those of the configuration file do not stand here.
CREATE TABLE exchange_link (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    organisation TEXT   NOT NULL,           -- whose people connected it
    stage        TEXT   NOT NULL CHECK (stage IN ('proposed', 'tested', 'live', 'leaving', 'gone')),
    stage_at     BIGINT NOT NULL,
    oid          TEXT   NOT NULL,           -- '' until theirs is known
    base_url     TEXT   NOT NULL,
    desk_phone   TEXT   NOT NULL,
    username     TEXT   NOT NULL,           -- ours at their node
    password     BYTEA  NOT NULL,
    login        TEXT   NOT NULL,           -- theirs at ours
    secret       BYTEA  NOT NULL,
    key_id       BIGINT NOT NULL,
    created_by   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    proposed_by  TEXT   NOT NULL,           -- who asked for go-live
    proposed_at  BIGINT NOT NULL,
    confirmed_by TEXT   NOT NULL,
    confirmed_at BIGINT NOT NULL,
    signed_in_at BIGINT NOT NULL,           -- when they last did that at ours
    register_at  BIGINT NOT NULL,
    message_at   BIGINT NOT NULL
) /*strict*/;

-- The certificates a connected peer may show, whoever signed them. A removed one
-- stays, since an authority of ours may have signed it.
CREATE TABLE exchange_link_certificate (
    link         TEXT   NOT NULL,
    fingerprint  TEXT   NOT NULL,           -- SHA-256 of the DER form, lower-case hexadecimal
    added_by     TEXT   NOT NULL,
    added_at     BIGINT NOT NULL,
    confirmed_by TEXT   NOT NULL,
    confirmed_at BIGINT NOT NULL,           -- 0: not yet; it counts at once before go-live only
    removed_by   TEXT   NOT NULL,
    removed_at   BIGINT NOT NULL,           -- 0: not
    seen_at      BIGINT NOT NULL,
    not_after    BIGINT NOT NULL,           -- 0: not seen yet
    PRIMARY KEY (link, fingerprint)
) /*strict*/;

-- +goose Down
DROP TABLE exchange_link_certificate;
DROP TABLE exchange_link;

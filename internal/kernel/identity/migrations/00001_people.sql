-- +goose Up
-- The bodies that work with this node. "addresses" is a JSON list of their own
-- UCRI addresses. Exactly one operates the node.
CREATE TABLE identity_organisation (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    country    TEXT   NOT NULL CHECK (country IN ('CZ', 'DE', 'PL')),
    addresses  TEXT   NOT NULL,
    operator   BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) /*strict*/;
CREATE UNIQUE INDEX identity_organisation_operator ON identity_organisation (operator) WHERE operator = 1;

-- The people. A deleted person keeps id and name as long as records may name
-- him (Options.KeepNames); everything else personal is emptied by the first
-- sweep after the time for undoing.
CREATE TABLE identity_person (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    login        TEXT   NOT NULL,  -- personal: who signs in; emptied by the sweep after deletion
    name         TEXT   NOT NULL,  -- personal: neighbours and colleagues see who decided; emptied KeepNames after deletion
    lang         TEXT   NOT NULL,  -- personal: setting; emptied by the sweep after deletion
    theme        TEXT   NOT NULL,  -- personal: setting; emptied by the sweep after deletion
    single_keys  BIGINT NOT NULL,  -- personal: setting; reset by the sweep after deletion
    roles        TEXT   NOT NULL,  -- JSON list; personal: what he may do; emptied by the sweep after deletion
    locked       BIGINT NOT NULL,
    must_change  BIGINT NOT NULL,  -- 1: a new password at the next sign-in
    emergency    BIGINT NOT NULL,  -- 1: the sealed account of the organisation
    password     TEXT   NOT NULL,  -- argon2id; '': none; emptied by the sweep after deletion
    pin          TEXT   NOT NULL,  -- argon2id of the desk PIN; '': none; emptied by the sweep after deletion
    pin_failures BIGINT NOT NULL,  -- wrong PINs since the last right one
    totp         BYTEA  NOT NULL,  -- sealed secret; empty: none; emptied by the sweep after deletion
    totp_step    BIGINT NOT NULL,  -- the last time step used: none is taken twice
    provider     TEXT   NOT NULL,  -- id of the OpenID provider; '': local account
    subject      TEXT   NOT NULL,  -- personal: the provider's name for him; emptied by the sweep after deletion
    created_at   BIGINT NOT NULL,
    seen_at      BIGINT NOT NULL,  -- personal: last sign-in, shows unused accounts; 0 by the sweep after deletion
    deleted_at   BIGINT NOT NULL,  -- 0: not deleted
    swept        BIGINT NOT NULL   -- 1: personal fields are emptied, 2: the name too
) /*strict*/;
CREATE UNIQUE INDEX identity_person_login ON identity_person (login) WHERE swept = 0;
CREATE UNIQUE INDEX identity_person_subject ON identity_person (provider, subject) WHERE provider <> '' AND swept = 0;
CREATE INDEX identity_person_organisation ON identity_person (organisation, name);
CREATE INDEX identity_person_deleted ON identity_person (deleted_at) WHERE deleted_at > 0 AND swept < 2;

-- Roles whose people must have a second factor.
CREATE TABLE identity_second (
    organisation TEXT NOT NULL,
    role         TEXT NOT NULL,
    PRIMARY KEY (organisation, role)
) /*strict*/;

-- Passkeys. Personal: they prove who signs in; deleted with the person's sweep
-- or by him.
CREATE TABLE identity_passkey (
    id         TEXT   NOT NULL PRIMARY KEY,  -- of the credential, base64url
    person     TEXT   NOT NULL,
    name       TEXT   NOT NULL,              -- personal: what he calls the device
    party      TEXT   NOT NULL,              -- the host it was made for
    credential TEXT   NOT NULL,              -- JSON: public key and counter
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
) /*strict*/;
CREATE INDEX identity_passkey_person ON identity_passkey (person);

-- SHA-256 of recovery codes not used yet; deleted with the person's sweep.
CREATE TABLE identity_recovery (
    person TEXT  NOT NULL,
    hash   BYTEA NOT NULL,
    PRIMARY KEY (person, hash)
) /*strict*/;

-- One-time links of invitations and resets: SHA-256 of the token. Deleted when
-- used, replaced or expired.
CREATE TABLE identity_link (
    hash       BYTEA  NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL CHECK (kind IN ('invitation', 'reset')),
    person     TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
) /*strict*/;
CREATE INDEX identity_link_person ON identity_link (person);

-- Shared desks of control rooms: browsers that hold the token.
CREATE TABLE identity_desk (
    id           TEXT   NOT NULL PRIMARY KEY,
    organisation TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    hash         BYTEA  NOT NULL,            -- SHA-256 of the token
    created_at   BIGINT NOT NULL
) /*strict*/;
CREATE UNIQUE INDEX identity_desk_hash ON identity_desk (hash);

-- Sessions. Personal: who worked when; deleted when the session ends, what
-- remains is the leaf in the audit log.
CREATE TABLE identity_session (
    id         TEXT   NOT NULL PRIMARY KEY,  -- public
    hash       BYTEA  NOT NULL,              -- SHA-256 of the cookie's token
    person     TEXT   NOT NULL,
    desk       TEXT   NOT NULL,              -- '': not at a desk
    stage      TEXT   NOT NULL CHECK (stage IN ('', 'second', 'enrol', 'password')),
    method     TEXT   NOT NULL CHECK (method IN ('password', 'pin', 'provider')),
    tries      BIGINT NOT NULL,              -- wrong second factors
    pending    BYTEA  NOT NULL,              -- sealed: what a passkey or TOTP step waits for
    refresh    BYTEA  NOT NULL,              -- sealed tokens of the provider
    checked_at BIGINT NOT NULL,              -- the provider's last answer
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL
) /*strict*/;
CREATE UNIQUE INDEX identity_session_hash ON identity_session (hash);
CREATE INDEX identity_session_person ON identity_session (person);

-- Who signed in at which desk with everything he has to, so that his PIN alone
-- brings him back there during the shift. Personal: who sat where; deleted by the
-- sweep after a shift and when his sessions are ended.
CREATE TABLE identity_visit (
    person TEXT   NOT NULL,
    desk   TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (person, desk)
) /*strict*/;

-- +goose Down
DROP TABLE identity_visit;
DROP TABLE identity_session;
DROP TABLE identity_desk;
DROP TABLE identity_link;
DROP TABLE identity_recovery;
DROP TABLE identity_passkey;
DROP TABLE identity_second;
DROP TABLE identity_person;
DROP TABLE identity_organisation;

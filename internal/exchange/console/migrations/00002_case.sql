-- +goose Up

-- What finding the same event again needs without opening the content: its place
-- rounded to steps of gridStep degrees (0, 0 for none: there is no place of the
-- three countries), and the sender's own number of it, which is an office's.
ALTER TABLE console_incident ADD COLUMN lat    BIGINT NOT NULL DEFAULT 0;
ALTER TABLE console_incident ADD COLUMN lon    BIGINT NOT NULL DEFAULT 0;
ALTER TABLE console_incident ADD COLUMN number TEXT   NOT NULL DEFAULT '';
CREATE INDEX console_incident_grid   ON console_incident (org, kind, lat, lon)       WHERE closed = 0 AND lat <> 0;
CREATE INDEX console_incident_city   ON console_incident (org, kind, city, first_at) WHERE closed = 0 AND city <> '';
CREATE INDEX console_incident_number ON console_incident (org, kind, number)         WHERE closed = 0 AND number <> '';

-- Records that a person found to be of one event: each but the lead names the lead.
CREATE TABLE console_case (
    org      TEXT   NOT NULL,
    incident TEXT   NOT NULL,
    lead     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    person   TEXT   NOT NULL,
    PRIMARY KEY (org, incident)
) /*strict*/;
CREATE INDEX console_case_lead ON console_case (org, lead);

-- Pairs that a person found to be two events, the smaller id first: they are not
-- suggested again.
CREATE TABLE console_apart (
    org    TEXT   NOT NULL,
    a      TEXT   NOT NULL,
    b      TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    person TEXT   NOT NULL,
    PRIMARY KEY (org, a, b)
) /*strict*/;

-- Who is writing a change of an incident at the moment.
CREATE TABLE console_edit (
    org      TEXT   NOT NULL,
    incident TEXT   NOT NULL,
    person   TEXT   NOT NULL,
    since    BIGINT NOT NULL,
    until    BIGINT NOT NULL,
    PRIMARY KEY (org, incident, person)
) /*strict*/;

-- +goose Down
DROP TABLE console_edit;
DROP TABLE console_apart;
DROP TABLE console_case;
DROP INDEX console_incident_number;
DROP INDEX console_incident_city;
DROP INDEX console_incident_grid;
ALTER TABLE console_incident DROP COLUMN number;
ALTER TABLE console_incident DROP COLUMN lon;
ALTER TABLE console_incident DROP COLUMN lat;

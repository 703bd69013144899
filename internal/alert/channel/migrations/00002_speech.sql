-- +goose Up

-- What a voice says and what a program decides by, for who drives sirens or a radio.
ALTER TABLE channel_text ADD COLUMN speech TEXT NOT NULL DEFAULT '';
ALTER TABLE channel_text ADD COLUMN codes TEXT NOT NULL DEFAULT '';   -- JSON, '' for none

-- +goose Down
ALTER TABLE channel_text DROP COLUMN codes;
ALTER TABLE channel_text DROP COLUMN speech;

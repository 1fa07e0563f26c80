-- Which version of chatmaild a machine has, as it says itself.
ALTER TABLE machines ADD COLUMN version text NOT NULL DEFAULT '' CHECK (length(version) <= 64);

-- A machine that joins is in the list before it has the directory: it may copy it, and
-- confirms no commit yet.
ALTER TABLE members ADD COLUMN joining boolean NOT NULL DEFAULT false;

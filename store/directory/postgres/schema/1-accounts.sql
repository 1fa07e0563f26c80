-- Group roles: what connects is a member of one of them. The owner of the tables, who
-- runs the migrations, is neither. Roles are the cluster's, and may be there already.
DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatmaild_reader') THEN
		CREATE ROLE chatmaild_reader NOLOGIN;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatmaild_writer') THEN
		CREATE ROLE chatmaild_writer NOLOGIN IN ROLE chatmaild_reader;
	END IF;
END $$;

-- One row for each account: auth.Account. A row is answered once its insertion is known
-- to be on two machines; until then a look-up asks the writer.
CREATE TABLE accounts (
	address        text COLLATE "C" PRIMARY KEY CHECK (length(address) <= 320),
	stored         text NOT NULL CHECK (length(stored) <= 1024),
	encrypted_only boolean NOT NULL,
	home           text NOT NULL DEFAULT '',
	moving_to      text NOT NULL DEFAULT '',
	answered       boolean NOT NULL DEFAULT false
);

GRANT SELECT ON accounts TO chatmaild_reader;
GRANT INSERT, UPDATE, DELETE ON accounts TO chatmaild_writer;

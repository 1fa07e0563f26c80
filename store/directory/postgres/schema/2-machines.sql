-- One row for each machine that is, or was, one of the relay's: directory.Machine. One that
-- has none is open, and has registered no mailboxes yet.
CREATE TABLE machines (
	name  text COLLATE "C" PRIMARY KEY CHECK (length(name) <= 63),
	state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'draining', 'lost')),
	store text NOT NULL DEFAULT '' CHECK (length(store) <= 64),
	room  bigint NOT NULL DEFAULT 0 CHECK (room >= 0)
);

GRANT SELECT ON machines TO chatmaild_reader;
GRANT INSERT, UPDATE ON machines TO chatmaild_writer;

-- Which mailboxes are on their way is asked every second.
CREATE INDEX accounts_moving ON accounts (home) WHERE moving_to <> '';

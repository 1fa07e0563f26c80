-- The relay's machines: [cluster] of each follows. Only the owner changes them, which is the
-- superuser of the writer's machine: who may change rows must not choose whom all trust.
-- Where they make their network themselves, by WireGuard, each has a public key, and an
-- endpoint by which the others reach it.
CREATE TABLE members (
	name          text COLLATE "C" PRIMARY KEY CHECK (length(name) <= 63),
	address       text NOT NULL UNIQUE CHECK (length(address) <= 64),
	wireguard_key text NOT NULL DEFAULT '' CHECK (length(wireguard_key) <= 64),
	endpoint      text NOT NULL DEFAULT '' CHECK (length(endpoint) <= 64)
);

GRANT SELECT ON members TO chatmaild_reader;

-- What an operator has set for all machines, by name: "nocreate", or "mail example.org".
CREATE TABLE settings (
	name  text COLLATE "C" PRIMARY KEY CHECK (length(name) <= 320),
	value text NOT NULL CHECK (length(value) <= 1024)
);

GRANT SELECT ON settings TO chatmaild_reader;
GRANT INSERT, UPDATE, DELETE ON settings TO chatmaild_writer;

DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatmaild_inviter') THEN
		CREATE ROLE chatmaild_inviter NOLOGIN;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatmaild_certifier') THEN
		CREATE ROLE chatmaild_certifier NOLOGIN;
	END IF;
END $$;

-- invites.Invite; expires is in seconds since 1970. The web daemon takes uses, and does
-- nothing else.
CREATE TABLE invites (
	digest  text COLLATE "C" PRIMARY KEY CHECK (length(digest) = 64),
	uses    integer NOT NULL CHECK (uses >= 0),
	expires bigint NOT NULL,
	note    text NOT NULL CHECK (length(note) <= 1024)
);

GRANT SELECT ON invites TO chatmaild_reader;
GRANT INSERT, UPDATE, DELETE ON invites TO chatmaild_writer;
GRANT SELECT, UPDATE (uses) ON invites TO chatmaild_inviter;

-- The certificate that the machine of the writer got, PEM with its chain; and what the
-- authority looks for meanwhile at any machine (RFC 8555, section 8.3).
CREATE TABLE certificates (
	host  text COLLATE "C" PRIMARY KEY CHECK (length(host) <= 255),
	chain text NOT NULL CHECK (length(chain) <= 65536)
);

CREATE TABLE challenges (
	token  text COLLATE "C" PRIMARY KEY CHECK (length(token) <= 255),
	answer text NOT NULL CHECK (length(answer) <= 1024),
	made   timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT ON certificates, challenges TO chatmaild_reader;
GRANT SELECT, INSERT, UPDATE ON certificates TO chatmaild_certifier;
GRANT SELECT, INSERT, DELETE ON challenges TO chatmaild_certifier;

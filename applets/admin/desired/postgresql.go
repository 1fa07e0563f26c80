package desired

// PostgreSQL is a major version of it, by which Debian's directories and units are called.
type PostgreSQL string

// PostgreSQLs are the versions of the Debians that the configurations are made for, the
// oldest first. An upgrade of Debian leaves the former one, with its data: the directory of
// accounts stays in it, since no version copies another one's.
var PostgreSQLs = []PostgreSQL{"15", "17"}

// PostgreSQL is the version that Debian has.
func (r Release) PostgreSQL() PostgreSQL {
	if r >= Trixie {
		return "17"
	}
	return "15"
}

// Unit is the unit of the server that Debian's package makes.
func (v PostgreSQL) Unit() string { return "postgresql@" + string(v) + "-main.service" }

// Dir is where its configuration is.
func (v PostgreSQL) Dir() string { return "/etc/postgresql/" + string(v) + "/main" }

// Conf is the part of its configuration that run writes.
func (v PostgreSQL) Conf() string { return v.Dir() + "/conf.d/chatmaild.conf" }

// HBA says who may connect to it.
func (v PostgreSQL) HBA() string { return v.Dir() + "/chatmaild_hba.conf" }

// Data is where its data are.
func (v PostgreSQL) Data() string { return "/var/lib/postgresql/" + string(v) + "/main" }

// Programs is where its programs are.
func (v PostgreSQL) Programs() string { return "/usr/lib/postgresql/" + string(v) + "/bin" }

// files are those that run writes for it.
func (v PostgreSQL) files() []generated {
	when := func(w view) bool { return w.Member != nil }
	return []generated{
		{"postgresql/postgresql.conf.tmpl", v.Conf(), v.Unit(), when},
		{"postgresql/pg_hba.conf.tmpl", v.HBA(), v.Unit(), when},
	}
}

package config

import "path/filepath"

// Socket is the path of the unix socket of the daemon called name.
func (c *Config) Socket(name string) string {
	return filepath.Join(c.RuntimeDir, name+".socket")
}

// MetricsSocket is where the daemon called name tells its metrics. The directory is
// its own: the daemons have different users.
func (c *Config) MetricsSocket(name string) string {
	return filepath.Join(c.RuntimeDir, name, "metrics.socket")
}

// RoutesSocket is where the transport tells what it knows of the ways to other relays.
func RoutesSocket(c *Config) string { return filepath.Join(c.RuntimeDir, "transport", "routes.socket") }

// TellingDaemons are the daemons that tell their metrics there as long as the relay runs.
func (c *Config) TellingDaemons() []string {
	names := []string{"filtermail-out", "filtermail-in", "doveauth", "metadata", "lastlogin", "web"}
	if Outward(c) {
		names = append(names, "transport")
	}
	if c.Echobot {
		names = append(names, "echobot")
	}
	if c.ACME() {
		names = append(names, "acme")
	}
	if Clustered(c) {
		names = append(names, "porter")
	}
	return names
}

// InvitesDir is the directory of the invite tokens. The web daemon owns it; doveauth
// reads in it the key by which it knows what /new handed out.
func (c *Config) InvitesDir() string {
	return filepath.Join(c.StateDir, "invites")
}

// MetadataDir is the directory that the metadata daemon owns.
func (c *Config) MetadataDir() string {
	return filepath.Join(c.StateDir, "metadata")
}

// DirectoryDump is where a backup, and what was restored from it, has the directory of accounts of
// a relay that is several machines.
func (c *Config) DirectoryDump() string {
	return filepath.Join(c.StateDir, "directory.sql")
}

// MetadataDB is the path of the metadata daemon's database.
func (c *Config) MetadataDB() string {
	return filepath.Join(c.MetadataDir(), "metadata.db")
}

// ExpireDir is the directory that expire owns: what it did last.
func (c *Config) ExpireDir() string {
	return filepath.Join(c.StateDir, "expire")
}

// ACMEDir is the directory that the acme daemon owns.
func (c *Config) ACMEDir() string {
	return filepath.Join(c.StateDir, "acme")
}

// SubmissionCertificate is the file from which filtermail-out has the certificate for users'
// clients: the private key and the chain, in one file, so that both are replaced at once.
// "chatmaild run" and the certificate job write it.
func SubmissionCertificate(c *Config) string {
	return filepath.Join(c.StateDir, "submission", "certificate.pem")
}

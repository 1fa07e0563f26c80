package config

import "path/filepath"

// SubmissionCertificate is the file from which filtermail-out has the certificate for users'
// clients: the private key and the chain, in one file, so that both are replaced at once.
// "chatmaild run" and the certificate job write it.
func SubmissionCertificate(c *Config) string {
	return filepath.Join(c.StateDir, "submission", "certificate.pem")
}

// Package packaging holds the files that make a machine a relay, as the Debian
// package ships them: what "chatmaild init" and "chatmaild run" write, and tests
// check, are these very bytes.
package packaging

import "embed"

// Config is the commented configuration. DOMAIN in it stands for the relay's
// domain, and every other key is there with its default, commented out.
//
//go:embed chatmaild.toml
var Config string

// Templates are the configurations of the programs that a relay consists of:
// text/template files, PROGRAM/FILE.
//
//go:embed apt/*.tmpl needrestart/*.tmpl postfix/*.tmpl dovecot/*.tmpl dovecot/*.lua journald/*.tmpl nginx/*.tmpl postgresql/*.tmpl
var Templates embed.FS

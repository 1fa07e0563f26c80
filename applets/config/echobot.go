package config

import "path/filepath"

// Bot is where the echo bot lives, if there is one.
type Bot struct{ conf *Config }

// EchoBot is the part of a configuration that is the echo bot's.
func EchoBot(c *Config) Bot { return Bot{c} }

// Address is the echo bot's address. Package auth reserves the name.
func (b Bot) Address() string { return "echo@" + b.conf.AddressDomain() }

// Mailbox is the directory of the echo bot's mail.
func (b Bot) Mailbox() string { return filepath.Join(b.conf.MailboxesDir, b.Address()) }

// Dir is the directory that the echobot daemon owns.
func (b Bot) Dir() string { return filepath.Join(b.conf.StateDir, "echobot") }

// Identity is the file that makes the echo bot the one that its contacts know. "chatmaild
// run" makes it, the daemon reads it.
func (b Bot) Identity() string { return filepath.Join(b.Dir(), "identity.json") }

// ProbeResult is the file in which the echobot daemon keeps what the last probe said.
func (b Bot) ProbeResult() string { return filepath.Join(b.Dir(), "probe.json") }

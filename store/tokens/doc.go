// Package tokens is the metadata daemon's database: the accounts' push tokens and the
// queue of notifications, in one bbolt file.
//
// # Format
//
// Version 1, see migrate.go. Numbers are big-endian.
//
//	meta      "format" → version, 4 bytes
//	accounts  address → its tokens: ID (8), seen in Unix seconds (8), length (2), text; and so on
//	queue     due in Unix nanoseconds (8), token ID (8) → first try due (8), failed tries (1), address
//
// An account without tokens keeps an empty value until its mailbox goes: it says that
// the Python relay's metadata.json has been taken over.
//
// # Concurrency and durability
//
// One process owns the file, and within it one DB; its methods may be called
// concurrently. A change returns when it is on the disk, or with the reason why it is
// not there. Changes that wait at the same time are one transaction (see commit.go). Only
// 16 bytes of an entry are kept in memory, see index.go.
package tokens

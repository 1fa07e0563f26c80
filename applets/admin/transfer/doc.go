// Package transfer is what backup, restore and move share: a relay's data on its way to
// another machine. Below it, archive is the format, snapshot reads and places a relay's
// files, and seal encrypts.
package transfer

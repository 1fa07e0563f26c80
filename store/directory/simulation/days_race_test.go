//go:build race

package simulation

// The race detector takes ten times as long, and finds nothing more in what has one
// goroutine.
const days = 2

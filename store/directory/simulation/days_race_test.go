//go:build race

package simulation

// The race detector takes ten times as long, and finds nothing more in what has one
// goroutine.
var size = scale{days: 3, machines: 40, growTo: 46, users: 20_000, moves: 50}

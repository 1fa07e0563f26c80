//go:build !race

package simulation

// size is that of the world: twenty million people on a hundred machines, for a month.
var size = scale{days: 30, machines: 97, growTo: 100, users: 20_000_000, moves: 200}

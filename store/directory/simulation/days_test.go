//go:build !race

package simulation

const days = 10

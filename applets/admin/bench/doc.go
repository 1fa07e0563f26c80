// Package bench measures a relay from outside, as the phones of some users
// would see it: how long a connection takes, a first login and later ones, a
// message from one phone to another, and how many messages a second pass before
// they take longer.
//
// It keeps to the relay's limits: every account sends no faster than the relay
// allows, so that many accounts share the load. What it created is deleted at
// the end, except for the accounts themselves, which are not used again.
//
// A figure is what this machine saw: its own network and processor are part of
// it.
package bench

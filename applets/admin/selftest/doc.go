// Package selftest is the command test (Go has its own use for the name): it verifies
// a relay from outside, end to end: that a phone could chat through it right now, and that
// what a relay has to refuse is refused.
//
// It is a table ([Checks]): what each check is called, what has to be fine first,
// what is wanted, and what to do if that is not seen. [Run] runs them, those that
// do not need each other at the same time, and returns plain [Result]s, in the
// order of the table; how they are shown is up to the caller.
//
// The checks know nothing of the relay but its domain. They create accounts
// by logging in, as clients do; these are not used again, so the relay deletes them
// when their time is up. Each check tests a promise that every chatmail relay makes, not
// the program that keeps it.
package selftest

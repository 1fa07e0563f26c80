// Package selftest is the command test (Go has its own use for the name): it proves a
// relay from outside in, end to end: that a phone could
// chat through it right now, and that what a relay has to refuse is refused.
//
// It is a table ([Checks]): what each check is called, what has to be fine first,
// what is wanted, and what to do if that is not seen. [Run] runs them, those that
// do not need each other at the same time, and returns plain [Result]s, in the
// order of the table; how they are shown is the caller's.
//
// The checks know nothing of the relay but its domain. They make accounts by
// logging in, as clients do; nobody uses these again, so the relay deletes them
// when their time is up. Each check goes by a promise that every chatmail relay
// makes, not by a program that keeps it.
package selftest

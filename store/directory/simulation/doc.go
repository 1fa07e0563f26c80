// Package simulation is a relay of forty and more machines in one test: ten days pass in
// it, in which hundreds of thousands of accounts are made, and machines are added,
// drained, cut off, crash, and are lost for good. (With -users, there are as many more
// accounts from the beginning.) The machines are invented, and so are their disks, the
// network and the time; placement, moves, and what each machine makes of its own copy of
// the directory and of the writer's word are the relay's.
//
// PostgreSQL is modelled with what is inconvenient about it: a copy lags; a commit that
// nobody has confirmed is seen on the writer, and after a crash, too; an answer may be
// lost when the thing was done; a writer that was replaced does not know it.
//
// At each step these hold, and a violation names the seed that brings it back:
//
//   - only one machine opens a mailbox at a time
//   - an account whose creation was answered keeps its password, whatever fails
//   - nobody is told that an account which exists does not
//   - of two writers at most one answers
//   - mail that was accepted is at the home of its account, unless a machine that had it
//     was lost for good
//   - a machine that is dead, drained or lost gets no new account
//   - without a writer, who has an account is served
package simulation

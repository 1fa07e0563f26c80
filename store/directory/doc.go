// Package directory is what the relay knows of its accounts beside their mail: one row
// for each, which says whether the address exists, what its password is, and on which
// machine the mailbox lies.
//
// [Accounts] is its contract, and directorytest holds every implementation to it.
//
//	files       what lies in the mailboxes of the one machine
//	Replicated  a copy on each of several machines, and one writer; on PostgreSQL: postgres
//	home        Replicated as one of these machines uses it, with the mailboxes that are there
//	placement   which machine a new account is placed on
//	move        how a mailbox gets another home
//	roll        which machines are open, draining or lost, and who may serve after a start
//
// A relay is one machine unless its configuration has a table [cluster] (applets/accounts
// opens one or the other; applets/doveauth/member says where a mailbox is, and applets/porter
// carries those that move).
//
// # Several machines
//
// Mail is on one disk, that of its account's home: it is gone from a relay a moment after
// it was delivered. What must outlive a machine is the row; for where an address could be
// made again by the first login, a lost row is a stolen account. Hence:
//
//   - An insertion of the writer decides who has an address, and nothing else does.
//   - What was answered is on two machines. A writer that was cut off while it committed
//     shows rows of which that is not known: they are not answered (Row).
//   - That an address does not exist is only said by a writer that can still commit.
//     Anything less is a temporary failure, for IMAP, SMTP and HTTP alike.
//   - Those who confirm a commit, with the writer, are a majority of the machines that may
//     become the writer; and one becomes it only by a majority of them. So there are few
//     of those, three or five, however many machines have a copy.
//   - One that joins is none of those until it has a copy of all: nobody waits for it, whatever
//     becomes of the join.
//   - A machine opens a mailbox only if its own copy says that the home is here, and that
//     it is not moving (WhoseIs). A copy never goes back in time; a move waits until the
//     old home's copy knows of it.
//   - Without a writer, who has an account is served. New accounts, changed passwords,
//     blocks and moves wait.
//   - A machine that lost its disk joins under another name. Its accounts get another home
//     when they are next asked for, and keep their passwords (move.Rescue).
//   - A machine that was given up serves no mailbox once any other one that it reaches says so:
//     its own copy may be another one than theirs. It notes that for good.
//   - Where those that are left are no majority, the operator has to say that all others are
//     gone: then these confirm nothing any more, and hear of it if they come back.
package directory

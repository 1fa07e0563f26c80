// Package safefs is how root touches files that lie where another user can write: below
// mailboxes, a daemon's state, or any other directory that is not root's alone.
//
// A path is walked from "/" by file descriptors, one name at a time, with O_NOFOLLOW.
// What counts is the directory that a name stands in:
//
//   - In a directory that only root, or the user we run as, can write to, every entry was
//     put there by one of these two. Symbolic links that they made are followed.
//   - In any other directory links are refused, and so is an entry that belongs to
//     another user than the directory: it may be a hard link to a file elsewhere
//     (where fs.protected_hardlinks is off), or a directory moved there. What is
//     root's own is let pass if it has no other name: root has put it there, as
//     earlier versions of run did in OpenDKIM's directory, and nobody else can move a directory of root's.
//
// Files are opened without waiting (O_NONBLOCK), and looked at by their descriptors:
// what is not a regular file then, such as a FIFO, is refused. Owner and mode change
// by descriptor alone. So nothing depends on a name meaning the same twice.
//
// A refusal is an *UnsafeError, which names the path.
//
// Where a whole job lies in one daemon's directory, As does it with that user's rights
// instead: then links lead only to what the user has anyway.
package safefs

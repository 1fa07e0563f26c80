// Package archive is the format in which a relay is kept or moved: a stream that any
// tar reads (POSIX.1-2001 pax), cut into pieces that are checked one by one.
//
//	archive = head piece… end, and tar's 1024 zero bytes
//	head    = entry ".chatmaild/head"
//	piece   = entries, the first of which is the piece itself, a file or a directory;
//	          then, in an update, entries ".chatmaild/gone"; then entry ".chatmaild/sum"
//	end     = entry ".chatmaild/end"
//
// A piece is what is put in place at once: a mailbox, a key, a directory of state. Its sum
// is the SHA-256 of all bytes of the stream from its first to the one before the sum's
// header (for the first piece: from the head on). The end holds a sum over the sums, so
// that no piece can be missing, doubled or in another place. Head, sum and end are JSON;
// gone holds names that no longer exist, each followed by a zero byte.
//
// Names are relative, without "." and "..". Entries are files and directories and nothing
// else. Owners are names, not numbers: another machine has others. Times are whole
// seconds.
//
// An archive that was interrupted ends with the last whole piece; what follows can be appended
// to it (see Resume). Memory is bounded, whatever the archive says.
package archive

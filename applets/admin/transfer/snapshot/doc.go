// Package snapshot reads the files that make a relay into an archive, while it runs,
// and puts them in place on another machine. It is for root.
//
// # Reading
//
// A Source reads several pieces at the same time, puts them into the archive in order,
// and never has more than some blocks of each in memory. What Dovecot does meanwhile
// does no harm: a message that is renamed, because a flag changed or it is no longer
// new, is found under its other name; dovecot-uidlist is read last, so that no UID is
// given twice; the directories' times are not kept, so that Dovecot looks into them again.
// What can be recreated is left out: caches, maildirsize, locks, unfinished deliveries.
//
// # Differences
//
// Asked with an inventory of what the other side has, a Source reads what is different,
// and says what was deleted. Messages are compared by name, size and time, as they never
// change; everything else by a hash of its content: a password can change within a
// second, and to one of the same length and date.
//
// # Putting in place
//
// A Target writes a piece beside its place, under a name that begins with ".restore-",
// and puts it there by one rename once its sum is verified. No name from an archive, and
// no link on the disk, leads out of that place.
package snapshot

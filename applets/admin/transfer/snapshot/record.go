package snapshot

// Files in the directory of the state that say what is in progress. They belong to this
// machine, and are in no archive.
const (
	// RestoreRecord is there while a restore is not finished.
	RestoreRecord = "restore.json"
	// MoveRecord is there from when a move has turned mail off.
	MoveRecord = "move.json"
)

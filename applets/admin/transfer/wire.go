package transfer

// A Request is what the machine that a relay moves away from sends with each step
// but "update".
type Request struct {
	ID     string `json:"id"`
	Config string `json:"config"` // the text of the file
}

// An Answer is what the other side says of itself.
type Answer struct {
	Version   string   `json:"version"`
	Trouble   string   `json:"trouble,omitempty"` // why it cannot take the relay
	Free      int64    `json:"free"`              // bytes where the mailboxes will be
	Inodes    int64    `json:"inodes"`            // likewise; 0 if the file system does not count them
	Addresses []string `json:"addresses"`         // that others can reach
}

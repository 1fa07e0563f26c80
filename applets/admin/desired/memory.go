package desired

import (
	"fmt"

	"chatmaild/applets/config"
)

// Memory of a filter, in MiB: what the packaged unit allows, what a filter needs
// with nothing in hand, and how many messages in hand take one more. Measured with
// messages of 25 MiB: five of them a MiB. A connection of a user's client takes
// submissionMemory, in KiB.
const (
	packagedMemory   = 512
	filterMemory     = 64
	messagesInMemory = 4
	submissionMemory = 48
)

// memoryDropins give the filters more for more messages and connections at once.
func memoryDropins(conf *config.Config) []File {
	messages := filterMemory + conf.FiltermailMaxInFlight/messagesInMemory
	var files []File
	for _, filter := range []struct {
		unit string
		need int
	}{
		{"chatmaild-filtermail-in.service", messages}, {FiltermailOut, messages + conf.MaxSMTPConnections*submissionMemory>>10},
	} {
		f := dropin(filter.unit, "memory",
			fmt.Sprintf("[Service]\nEnvironment=GOMEMLIMIT=%dMiB\nMemoryMax=%dM", filter.need-filter.need/8, filter.need))
		f.Absent = filter.need <= packagedMemory
		files = append(files, f)
	}
	return files
}

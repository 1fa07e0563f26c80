package desired

import (
	"fmt"

	"chatmaild/applets/config"
)

// Memory of a filter, in MiB: what the packaged unit allows, what a filter needs
// with nothing in hand, and how many messages in hand take one more. Measured with
// messages of 25 MiB: five of them a MiB.
const (
	packagedMemory   = 512
	filterMemory     = 64
	messagesInMemory = 4
)

// memoryDropins give the filters more for more messages at once.
func memoryDropins(conf *config.Config) []File {
	need := filterMemory + conf.FiltermailMaxInFlight/messagesInMemory
	var files []File
	for _, daemon := range []string{"filtermail-in", "filtermail-out"} {
		f := dropin("chatmaild-"+daemon+".service", "memory",
			fmt.Sprintf("[Service]\nEnvironment=GOMEMLIMIT=%dMiB\nMemoryMax=%dM", need-need/8, need))
		f.Absent = need <= packagedMemory
		files = append(files, f)
	}
	return files
}

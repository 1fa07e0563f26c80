package status

import (
	"fmt"
	"runtime"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
)

// capacity says what the machine is good for. The servers are sized for it by run.
func capacity(e *examiner) {
	memory, err := host.Memory()
	if err != nil {
		e.say("machine", trouble, "is /proc mounted?", "%v", err)
		return
	}
	m := desired.Machine{Processors: runtime.NumCPU(), Memory: memory}
	c := desired.Good(m)
	processors := "1 processor"
	if m.Processors != 1 {
		processors = fmt.Sprintf("%d processors", m.Processors)
	}
	e.say("machine", fine, "", "%s, %s of memory: enough for some %d people online, limited by %s, and %d messages a second",
		processors, command.FormatSize(memory), rounded(c.People), c.By, c.Messages)
}

// rounded keeps two digits: it is an estimate.
func rounded(n int) int {
	unit := 1
	for n/unit >= 100 {
		unit *= 10
	}
	return n / unit * unit
}

package dovecottest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Busy reads how many processes of a service can take no more clients, of what
// "doveadm -f tab service status" prints: a line of names, and one of values.
func Busy(status string) (int, error) {
	head, line, _ := strings.Cut(status, "\n")
	names, values := strings.Split(head, "\t"), strings.Split(line, "\t")
	of := func(name string) (n int, err error) {
		i := slices.Index(names, name)
		if i < 0 || i >= len(values) {
			return 0, fmt.Errorf("doveadm service status tells no %s: %q", name, status)
		}
		return strconv.Atoi(values[i])
	}
	all, err := of("process_count")
	if err != nil {
		return 0, err
	}
	available, err := of("process_avail")
	return all - available, err
}

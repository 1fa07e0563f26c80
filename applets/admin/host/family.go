package host

import (
	"errors"
	"syscall"
)

// NoIPv6 reports whether the kernel has no IPv6 at all: servers that want to listen on ::
// do not start then.
func NoIPv6() bool {
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_DGRAM, 0)
	if err == nil {
		_ = syscall.Close(fd)
	}
	return errors.Is(err, syscall.EAFNOSUPPORT)
}

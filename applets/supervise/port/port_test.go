package port

import (
	"testing"

	"golang.org/x/sys/unix"

	"chatmaild/applets/supervise/unit"
)

// TestPassPacketInfo has the kernel say where datagrams come to if, and only if, the unit wants it.
func TestPassPacketInfo(t *testing.T) {
	for listen, option := range map[string][2]int{
		"127.0.0.1:0": {unix.IPPROTO_IP, unix.IP_PKTINFO}, "[::1]:0": {unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO},
	} {
		for want, pass := range []bool{false, true} {
			f, err := Open(&unit.Unit{Socket: unit.Socket{Listen: listen, Datagram: true, PacketInfo: pass}})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := unix.GetsockoptInt(int(f.Fd()), option[0], option[1]); err != nil || got != want {
				t.Errorf("%s, PassPacketInfo=%v: the option is %d, %v", listen, pass, got, err)
			}
			f.Close()
		}
	}
}

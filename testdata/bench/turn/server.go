package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"chatmaild/applets/turn/credential"
	"chatmaild/testdata/kit/measure"

	"github.com/pion/stun/v4"
)

// secret is what both servers make passwords with.
const secret credential.Secret = "a-secret-of-the-bench"

// server is a TURN server on core 0.
type server struct {
	*measure.Process
	address netip.AddrPort
}

// startOurs runs our daemon with a configuration of its own in dir.
func startOurs(binary, dir string) (*server, error) {
	for name, text := range map[string]string{
		"state/turn/secret": string(secret),
		"chatmail.toml": fmt.Sprintf("mail_domain = \"bench.test\"\nstate_dir = %q\nruntime_dir = %q\ndisable_ipv6 = true\n"+
			"turn_ports = \"40000-49999\"\nmax_turn_bandwidth = \"10G\"\nmax_turn_user_bandwidth = \"10G\"\n",
			filepath.Join(dir, "state"), filepath.Join(dir, "run")),
		"run/turn/.keep": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("taskset", "1", binary, "turn", "--config", filepath.Join(dir, "chatmail.toml"))
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=100MiB") // as its unit has it
	return startServer(cmd, 3478)
}

// startCoturn runs coturn with the same secret, ports and bounds.
func startCoturn(dir string) (*server, error) {
	return startServer(exec.Command("taskset", "1", "turnserver", "-n", "--no-tls", "--no-dtls", "--no-cli",
		"--use-auth-secret", "--static-auth-secret="+string(secret), "--realm=bench.test",
		"--listening-ip=127.0.0.1", "--listening-port=3479", "--relay-ip=127.0.0.1", "--allow-loopback-peers",
		"--min-port=40000", "--max-port=49999", "--relay-threads=1", "--log-file=stdout",
		"--pidfile="+filepath.Join(dir, "pid"), "--userdb="+filepath.Join(dir, "db")), 3479)
}

func startServer(cmd *exec.Cmd, port uint16) (*server, error) {
	address := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	process, err := measure.Start(cmd, func() error { return answers(address) })
	return &server{process, address}, err
}

// answers asks for a binding, and waits for a moment.
func answers(address netip.AddrPort) error {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(address))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := conn.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1500))
	return err
}

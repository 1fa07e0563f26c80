// Command websocket measures what a client of the websocket daemon takes: the daemon with
// thousands of connections, each of which has sent and received more than the daemon has
// buffers for, and then says nothing, as in IDLE. nginx in front is not measured: TestNetworks
// of the lab does that.
//
// Usage, from the top of the tree: go run ./testdata/bench/websocket -chatmaild build/bin/chatmaild
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"chatmaild/applets/config"
	"chatmaild/testdata/kit/measure"
)

// most is as many clients as the configuration allows.
const most = 6000

// exchanged is how much each client sends, and gets back, in bytes.
const exchanged = 64 << 10

func main() {
	binary := flag.String("chatmaild", "build/bin/chatmaild", "the `program` to measure")
	flag.Parse()
	if err := bench(*binary); err != nil {
		fmt.Fprintln(os.Stderr, "websocket:", err)
		os.Exit(1)
	}
}

func bench(binary string) error {
	server, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(config.WebsocketIMAPPort)))
	if err != nil {
		return err
	}
	defer server.Close()
	go serve(server)
	dir, err := os.MkdirTemp("", "bench-websocket")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	conf := filepath.Join(dir, "chatmail.toml")
	text := fmt.Sprintf("mail_domain = \"bench.test\"\nstate_dir = %q\nruntime_dir = %q\nwebsocket = true\nmax_websocket_clients = %d\n", dir, dir, most)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(binary, "websocket", "--config", conf)
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=280MiB", "GOMAXPROCS=1") // as its unit has it
	socket := filepath.Join(dir, "websocket.socket")
	daemon, err := measure.Start(cmd, measure.Listening("unix", socket))
	if err != nil {
		return err
	}
	defer daemon.Stop()
	return connect(daemon, socket)
}

// serve says again what each client says.
func serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed
		}
		go func() {
			defer conn.Close()
			// Until the daemon has ended. The kernel's own copying would take a pipe each.
			_, _ = io.Copy(struct{ io.Writer }{conn}, conn)
		}()
	}
}

// connect has more and more clients, and shows what they take.
func connect(daemon *measure.Process, socket string) error {
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	without, err := rested(daemon)
	if err != nil {
		return err
	}
	fmt.Printf("%4d clients  %5.1f MiB (PSS)\n", 0, without)
	for n := 1; n <= most; n++ {
		if err := join(client); err != nil {
			return err
		}
		if n != 1000 && n != 2000 && n != most {
			continue
		}
		taken, err1 := rested(daemon)
		peak, err2 := daemon.Peak()
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		fmt.Printf("%4d clients  %5.1f MiB, %.1f KiB for each; at most %.1f MiB, of the 384 MiB of its unit\n",
			n, taken, (taken-without)*1024/float64(n), peak)
	}
	return nil
}

// join is one client. Its connection stays until the program ends.
func join(client *http.Client) error {
	ctx := context.Background()
	socket, _, err := websocket.Dial(ctx, "ws://bench.test"+config.WebsocketIMAP, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: http.Header{"X-Real-Ip": {"192.0.2.1"}}, Subprotocols: []string{"binary"},
	})
	if err != nil {
		return err
	}
	conn := websocket.NetConn(ctx, socket, websocket.MessageBinary)
	if _, err := conn.Write(make([]byte, exchanged)); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, exchanged))
	return err
}

// rested is the daemon's memory (PSS) in MiB once it has given back what work took.
func rested(daemon *measure.Process) (float64, error) {
	time.Sleep(10 * time.Second)
	return daemon.PSS()
}

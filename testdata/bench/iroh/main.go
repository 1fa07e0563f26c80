// Command iroh measures the iroh daemon: what it takes at rest and with thousands of
// clients that say nothing, and how much it relays between two, beside a floor: a bare
// relay of two connections by TLS, which is what nginx does for ours.
//
// Clients, relay and floor share the machine's cores. A client sends as much as the other
// has room for, as QUIC does.
//
// Usage, from the top of the tree: go run ./testdata/bench/iroh -chatmaild build/bin/chatmaild
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"chatmaild/applets/iroh/frame"
	"chatmaild/applets/iroh/peer"
	"chatmaild/testdata/kit/measure"
)

func main() {
	binary := flag.String("chatmaild", "build/bin/chatmaild", "the `program` to measure")
	clients := flag.Int("clients", 5000, "how many clients say nothing")
	rounds := flag.Int("rounds", 3, "how many times to measure each rate; the median counts")
	length := flag.Duration("for", 3*time.Second, "how long each load lasts")
	floorAt := flag.String("floor", "", "internal: be the floor at this `address`")
	flag.Parse()
	err := error(nil)
	if *floorAt != "" {
		err = floor(*floorAt)
	} else {
		err = bench(*binary, *clients, *rounds, *length)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "iroh:", err)
		os.Exit(1)
	}
}

func bench(binary string, clients, rounds int, length time.Duration) error {
	d, err := startDaemon(binary)
	if err != nil {
		return err
	}
	defer d.stop()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer out.Flush()
	fmt.Fprintf(out, "what\tmeasured\twanted\n")
	idle, err := d.idle()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "memory (PSS) without a client, the only chatmaild here\t%.1f MiB\t6 MiB beside the others (TestIroh of the lab)\n", idle)
	if err := benchClients(out, d, clients); err != nil {
		return err
	}
	f, err := startFloor()
	if err != nil {
		return err
	}
	defer f.Stop()
	for _, size := range []int{1200, 16 << 10, 60 << 10} {
		var ours, bare, cpu []float64
		for range rounds {
			before, err1 := d.CPU()
			rate, err2 := d.relayed(size, length)
			after, err3 := d.CPU()
			if err := errors.Join(err1, err2, err3); err != nil {
				return err
			}
			ours, cpu = append(ours, rate), append(cpu, (after-before).Seconds()/rate/length.Seconds()*1e3)
			if rate, err = f.relayed(size, length); err != nil {
				return err
			}
			bare = append(bare, rate)
		}
		a, b := median(ours), median(bare)
		fmt.Fprintf(out, "MB/s between two clients, packets of %d bytes\t%.0f (%.2f ms of CPU each); %.2f of the floor's %.0f\t300, or 0.8 of the floor\n",
			size, a, median(cpu), a/b, b)
		out.Flush()
	}
	return nil
}

func median(list []float64) float64 {
	return measure.Median(list, func(f float64) float64 { return f })
}

// benchClients connects many, and looks at the daemon when they have said nothing for
// longer than the relay waits to ask whether they are there.
func benchClients(out *tabwriter.Writer, d *daemon, n int) error {
	const silence = 25 * time.Second
	start := time.Now()
	var list []*peer.Peer
	for range n {
		p, err := d.dial()
		if err != nil {
			return err
		}
		defer p.Close()
		list = append(list, p)
	}
	took := time.Since(start)
	for _, p := range list {
		go func() {
			for {
				if _, err := p.Next(); err != nil {
					return // closed
				}
			}
		}()
	}
	before, err1 := d.CPU()
	time.Sleep(silence)
	memory, err2 := d.idle()
	after, err3 := d.CPU()
	fmt.Fprintf(out, "memory (PSS) with %d idle clients\t%.1f MiB (%.2f %% of a core, in %v)\t60 MiB at most\n",
		n, memory, 100*(after-before).Seconds()/silence.Seconds(), silence)
	fmt.Fprintf(out, "new clients a second\t%.0f\t\n", float64(n)/took.Seconds())
	return errors.Join(err1, err2, err3)
}

// relayed returns how many megabytes a second one client gets of another.
func (d *daemon) relayed(size int, length time.Duration) (float64, error) {
	from, err := d.dial()
	if err != nil {
		return 0, err
	}
	defer from.Close()
	to, err := d.dial()
	if err != nil {
		return 0, err
	}
	defer to.Close()
	var batch []byte
	packets := max(1, (32<<10)/size)
	for range packets {
		batch = frame.Append(batch, frame.Frame{Type: frame.SendPacket, Key: to.Key, Data: make([]byte, size)})
	}
	return transfer(length, packets*size, func() error { return from.Write(batch) }, func() (int, error) {
		f, err := to.Next()
		return len(f.Data), err
	})
}

// window is how many bytes are on their way.
const window = 128 << 10

// transfer sends for a while, and returns the megabytes a second that came in.
func transfer(length time.Duration, batch int, send func() error, receive func() (int, error)) (float64, error) {
	var got atomic.Int64
	failed := make(chan error, 1)
	more := make(chan struct{}, 1)
	start := time.Now()
	end := start.Add(length)
	go func() {
		for time.Now().Before(end.Add(time.Second)) {
			n, err := receive()
			got.Add(int64(n))
			if err != nil {
				failed <- err
				return
			}
			select {
			case more <- struct{}{}:
			default:
			}
		}
	}()
	for sent := int64(0); time.Now().Before(end); sent += int64(batch) {
		for sent-got.Load() > window {
			select {
			case <-more:
			case err := <-failed:
				return 0, err
			case <-time.After(time.Second):
				return 0, fmt.Errorf("%d bytes are lost", sent-got.Load())
			}
		}
		if err := send(); err != nil {
			return 0, err
		}
	}
	return float64(got.Load()) / time.Since(start).Seconds() / 1e6, nil
}

// dial connects with a new key.
func (d *daemon) dial() (*peer.Peer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("unix", d.socket)
	if err != nil {
		return nil, err
	}
	p, err := peer.New(context.Background(), conn, "bench.test", key)
	if err == nil {
		err = p.Ping()
	}
	return p, err
}

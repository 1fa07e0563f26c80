package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/proxy/queue"
)

const (
	chaosTime    = 10 * time.Second
	chaosTimes   = 10 // how often at most, until there was enough of it: a busy machine needs more
	chaosClients = 12
	queueEnv     = "CHATMAILD_TEST_QUEUE" // makes the test binary a filter
)

func TestMain(m *testing.M) {
	if queue := os.Getenv(queueEnv); queue != "" {
		if err := filterProcess(queue); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if args := os.Getenv(clientsEnv); args != "" {
		if err := clientsProcess(args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// filterProcess is a filter on the listener that is file 3.
func filterProcess(queue string) error {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	policy, err := mailfilter.NewOutgoing(mailfilter.OutgoingOptions{
		Domains: []string{"our.test"}, Limiter: unlimited{}, PassthroughSenders: []string{"free@our.test"},
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("ready")
	return New(Options{
		Name: "our.test", Policy: policy, Queue: queue, MaxMessageSize: 4 << 20, MaxInFlight: 8,
		QueueTimeout: 500 * time.Millisecond, BusyTimeout: 500 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}).Serve(ctx, l)
}

// TestChaos sends under load while the filter's process is killed, or asked to
// end, and the queue is stalled, cut off and restarted. Every message that a client was told 250
// for is in the queue, once, as it was sent; nothing that was not to pass is;
// and nothing is there twice.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	gate := new(gate)
	sink := newSink(t, func(string) string { gate.wait(); return "" })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	var killed, disturbed int
	logs := make([]chaosLog, chaosClients)
	enough := func() bool {
		acknowledged, sent, refused := tally(logs)
		return acknowledged >= 100 && acknowledged < sent && refused >= 100 && killed >= 5 && disturbed >= 5
	}
	for times := 0; times < chaosTimes && !enough(); times++ {
		ctx, stop := context.WithTimeout(t.Context(), chaosTime)
		var running sync.WaitGroup
		running.Go(func() { killed += keepKilling(ctx, t, l.(*net.TCPListener), sink.addr()) })
		running.Go(func() { disturbed += disturb(ctx, sink, gate) })
		for i := range logs {
			running.Go(func() { logs[i].run(ctx, i, l.Addr().String()) })
		}
		running.Wait()
		stop()
	}

	sent, told := make(map[string]string), make(map[string]bool)
	for _, log := range logs {
		for _, m := range log.sent {
			sent[m.id] = m.data
			told[m.id] = m.told
		}
	}
	arrived := make(map[string]bool)
	for _, m := range sink.got() {
		id := chaosID(m.data)
		switch want, ok := sent[id]; {
		case !ok:
			t.Errorf("%s is in the queue and must not be", id)
		case m.data != want:
			t.Errorf("%s was altered", id)
		case arrived[id]:
			t.Errorf("%s is in the queue twice", id)
		}
		arrived[id] = true
	}
	for id, ok := range told {
		if ok && !arrived[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	acknowledged, _, refused := tally(logs)
	t.Logf("%d sent, %d acknowledged, %d in the queue, %d refused; filter killed %d times, queue disturbed %d times",
		len(sent), acknowledged, len(arrived), refused, killed, disturbed)
	if !enough() {
		t.Error("that was not enough chaos to prove anything")
	}
}

// gate stops the queue while it is shut.
type gate struct{ mu sync.RWMutex }

func (g *gate) wait() {
	g.mu.RLock()
	defer g.mu.RUnlock()
}

// sleep waits for up to d, and reports whether ctx continues.
func sleep(ctx context.Context, d time.Duration) bool {
	pause(ctx, rand.N(d))
	return ctx.Err() == nil
}

// keepKilling runs filters on l, one after the other. It asks every second one
// to end, which that has to do well, and kills the others.
func keepKilling(ctx context.Context, t *testing.T, l *net.TCPListener, queue string) (killed int) {
	file, err := l.File()
	if err != nil {
		t.Error(err)
		return 0
	}
	defer file.Close()
	for {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), queueEnv+"="+queue)
		cmd.ExtraFiles = []*os.File{file}
		ready, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			_, err = bufio.NewReader(ready).ReadString('\n')
		}
		if err != nil {
			t.Error(err)
			return killed
		}
		alive := sleep(ctx, time.Second)
		if killed%2 == 1 {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("a filter that was asked to end: %v", err)
			}
		} else {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if !alive {
			return killed
		}
		killed++
	}
}

// disturb stalls, cuts and restarts the queue in turn.
func disturb(ctx context.Context, s *sink, g *gate) (times int) {
	for ; sleep(ctx, 600*time.Millisecond); times++ {
		switch times % 4 {
		case 0: // shorter than the filter's patience, or longer
			g.mu.Lock()
			sleep(ctx, time.Second)
			g.mu.Unlock()
		case 1:
			s.hangUpAll()
		default:
			s.close()
			sleep(ctx, 200*time.Millisecond)
			s.restart()
		}
	}
	return times
}

// chaosLog is what one client did.
type chaosLog struct {
	tried   int
	sent    []chaosMail // what may pass
	refused int         // of what may not
}

type chaosMail struct {
	id, data string
	told     bool // was acknowledged
}

// tally counts what all clients did.
func tally(logs []chaosLog) (acknowledged, sent, refused int) {
	for _, log := range logs {
		refused += log.refused
		sent += len(log.sent)
		for _, m := range log.sent {
			if m.told {
				acknowledged++
			}
		}
	}
	return acknowledged, sent, refused
}

func chaosID(data string) string {
	_, after, _ := strings.Cut(data, "Message-ID: ")
	id, _, _ := strings.Cut(after, "\r\n")
	return id
}

func (c *chaosLog) run(ctx context.Context, number int, addr string) {
	for ; ctx.Err() == nil; c.tried++ {
		id := fmt.Sprintf("<%d-%d@our.test>", number, c.tried)
		head := "Message-ID: " + id + "\r\n"
		text := strings.Repeat(fmt.Sprintf("..line of %s\r\n", id), 1<<rand.N(15))
		switch c.tried % 4 {
		case 0: // cleartext
			c.refused += chaosRefused(addr, "a@our.test", "From: a@our.test\r\n"+head+"\r\n"+text)
		case 1: // cleartext that looks encrypted as long as possible
			c.refused += chaosRefused(addr, "a@our.test", head+encrypted(endless+strings.Repeat("A", 64-len(endless))+"\r\n")+
				strings.Repeat(strings.Repeat("A", 64)+"\r\n", 1<<rand.N(13))+text)
		default:
			m := chaosMail{id: id, data: "From: free@our.test\r\n" + head + "\r\n" + text}
			m.told = chaosSend(addr, "free@our.test", m.data) == '2'
			c.sent = append(c.sent, m)
		}
	}
}

// chaosRefused returns 1 if the message was refused for good.
func chaosRefused(addr, from, data string) int {
	if chaosSend(addr, from, data) == '5' {
		return 1
	}
	return 0
}

// chaosSend sends a message and returns the class of the last reply; 0 if there
// was none.
func chaosSend(addr, from, data string) byte {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0
	}
	r := bufio.NewReader(conn)
	var class byte
	for _, step := range []struct {
		send string
		want byte
	}{
		{"", '2'}, {"EHLO x\r\n", '2'}, {"MAIL FROM:<" + from + ">\r\n", '2'}, {"RCPT TO:<b@far.test>\r\n", '2'},
		{"DATA\r\n", '3'}, {data + ".\r\n", '2'},
	} {
		if _, err := io.WriteString(conn, step.send); err != nil {
			return 0
		}
		reply, err := queue.ReadReply(r)
		if err != nil {
			return 0
		}
		if class = reply[0]; class != step.want {
			return class
		}
	}
	return class
}

package metadata_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatmaild/push"
)

// relay is the metadata daemon as a process, with its files and a notification service.
type relay struct {
	t            *testing.T
	dir, program string
	service      *notified
	daemon       *exec.Cmd
	log          bytes.Buffer
}

// notified is a notification service that remembers its tokens.
type notified struct {
	*httptest.Server
	mu     sync.Mutex
	status int // that it answers
	tokens map[string]int
}

func (n *notified) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := io.ReadAll(r.Body)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.status == http.StatusOK {
		n.tokens[string(token)]++
	}
	w.WriteHeader(n.status)
}

func (n *notified) answer(status int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status = status
}

func (n *notified) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.tokens)
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	n := &notified{status: http.StatusOK, tokens: map[string]int{}}
	n.Server = httptest.NewUnstartedServer(n)
	n.EnableHTTP2 = true
	n.StartTLS()
	t.Cleanup(n.Close)
	dir, err := os.MkdirTemp("", "relay") // the path of a unix socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &relay{t: t, dir: dir, program: filepath.Join(dir, "chatmaild"), service: n}
	if out, err := exec.Command("go", "build", "-o", r.program, "chatmaild").CombinedOutput(); err != nil {
		t.Fatalf("building chatmaild: %v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(dir, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: n.Certificate().Raw}))
	r.write("chatmail.toml", fmt.Appendf(nil, "mail_domain = \"relay.test\"\nmailboxes_dir = %q\nstate_dir = %q\nruntime_dir = %q\nnotify_url = %q\n",
		filepath.Join(dir, "mail"), dir, dir, n.URL+"/notify"))
	return r
}

func (r *relay) write(name string, text []byte) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o600)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *relay) command(args ...string) *exec.Cmd {
	cmd := exec.Command(r.program, append(args, "--config", filepath.Join(r.dir, "chatmail.toml"))...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(r.dir, "ca.pem"))
	return cmd
}

// start starts the daemon and returns when it answers.
func (r *relay) start() {
	r.t.Helper()
	r.daemon = r.command("metadata")
	r.daemon.Stderr = &r.log
	if err := r.daemon.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.await("the daemon answers", func() bool {
		answer, err := r.ask("Lpriv/0/devicetoken\tnobody@relay.test\n")
		return err == nil && answer == "N"
	})
}

func (r *relay) stop(sig syscall.Signal) {
	r.t.Helper()
	if err := r.daemon.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
	if err := r.daemon.Wait(); err != nil && sig != syscall.SIGKILL {
		r.t.Errorf("the daemon ended with %v\n%s", err, r.log.String())
	}
}

func (r *relay) await(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain: %s\n%s", what, r.log.String())
		}
	}
}

// ask sends a request as Dovecot does and returns the line that answers it.
func (r *relay) ask(request string) (string, error) {
	conn, err := net.Dial("unix", filepath.Join(r.dir, "metadata.socket"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "H3\t2\t0\t\tmetadata\n"+request); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// set stores an entry of an account and reports whether that was acknowledged.
func (r *relay) set(account, entry, value string) bool {
	answer, err := r.ask(fmt.Sprintf("B1\t%s\nS1\tpriv/0/%s\t%s\nC1\n", account, entry, value))
	return err == nil && answer == "O1"
}

func (r *relay) must(account, entry, value string) {
	r.t.Helper()
	if !r.set(account, entry, value) {
		r.t.Fatalf("setting %s was not acknowledged\n%s", entry, r.log.String())
	}
}

func account(i int) string { return fmt.Sprintf("user%03d@relay.test", i) }
func token(i int) string   { return fmt.Sprintf("openpgp:secret%03d", i) }

func TestNothingAcknowledgedIsLost(t *testing.T) {
	const accounts = 100
	r := newRelay(t)
	for i := range accounts {
		if err := os.Mkdir(filepath.Join(r.dir, "mail", account(i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	for i := range accounts {
		r.must(account(i), "devicetoken", token(i))
	}
	deliver := func(from, to int) {
		// At once: they share the syncs of the disk, which others use, too.
		var all sync.WaitGroup
		defer all.Wait()
		for i := from; i < to; i++ {
			all.Go(func() {
				if !r.set(account(i), "messagenew", "") {
					t.Errorf("a delivery was not acknowledged\n%s", r.log.String())
				}
			})
		}
	}
	deliver(0, 30)
	r.service.answer(http.StatusBadGateway)
	deliver(30, 60)

	// The daemon is killed while messages come in. Those that are not
	// acknowledged count as not delivered, and come again.
	acknowledged := make(chan int)
	go func() {
		i := 60
		for i < 90 && r.set(account(i), "messagenew", "") {
			if i++; i == 75 {
				r.daemon.Process.Kill()
			}
		}
		acknowledged <- i
	}()
	again := <-acknowledged
	_ = r.daemon.Wait()
	r.start()
	var report push.Report
	answer, err := r.ask("L" + push.ReportKey + "\n")
	if err == nil {
		err = json.Unmarshal([]byte(strings.TrimPrefix(answer, "O")), &report)
	}
	if err != nil || report.Queue.Entries < again-60 {
		t.Errorf("report %q, %v; want %d entries at least", answer, err, again-60)
	}
	deliver(again, accounts)
	r.service.answer(http.StatusOK)
	r.await("every token is notified", func() bool { return r.service.count() == accounts })
	r.stop(syscall.SIGTERM)
	if log := r.log.String(); strings.Contains(log, "secret") || strings.Contains(log, "user0") {
		t.Errorf("the log names tokens or addresses:\n%s", log)
	}
}

func TestDamagedDatabaseIsKeptAside(t *testing.T) {
	r := newRelay(t)
	r.write("metadata/metadata.db", bytes.Repeat([]byte("not a database\n"), 5000))
	out, err := r.command("metadata").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "it is damaged") || !strings.Contains(string(out), "--reset") {
		t.Fatalf("with a damaged database: %v\n%s", err, out)
	}
	if out, err := r.command("metadata", "--reset").CombinedOutput(); err != nil {
		t.Fatalf("--reset: %v\n%s", err, out)
	}
	r.start()
	if out, err := r.command("metadata", "--reset").CombinedOutput(); err == nil || !strings.Contains(string(out), "systemctl stop") {
		t.Errorf("--reset while the daemon runs: %v\n%s", err, out)
	}
	r.must(account(1), "devicetoken", token(1))
	r.stop(syscall.SIGTERM)
	aside, err := filepath.Glob(filepath.Join(r.dir, "metadata/metadata.db.*"))
	if err != nil || len(aside) != 1 {
		t.Fatalf("old files: %v, %v", aside, err)
	}
	if text, err := os.ReadFile(aside[0]); err != nil || !bytes.HasPrefix(text, []byte("not a database\n")) {
		t.Errorf("the old file has %.20q, %v", text, err)
	}
}

func TestPushStatus(t *testing.T) {
	r := newRelay(t)
	if out, err := r.command("push", "status").CombinedOutput(); err == nil || !strings.Contains(string(out), "hint:") {
		t.Errorf("without a daemon: %v\n%s", err, out)
	}
	r.start()
	defer r.stop(syscall.SIGTERM)
	out, err := r.command("push", "status").CombinedOutput()
	if err != nil || !strings.Contains(string(out), r.service.URL+"/notify: alive") || !strings.Contains(string(out), "0 of at most") {
		t.Errorf("push status: %v\n%s", err, out)
	}
	out, err = r.command("push", "status", "--json").Output()
	var report push.Report
	if err == nil {
		err = json.Unmarshal(out, &report)
	}
	if err != nil || len(report.Services) != 1 || !report.Services[0].Alive {
		t.Errorf("push status --json: %v\n%s", err, out)
	}
	if out, err := r.command("push").CombinedOutput(); err == nil || !strings.Contains(string(out), "missing subcommand: status") {
		t.Errorf("push alone: %v\n%s", err, out)
	}
}

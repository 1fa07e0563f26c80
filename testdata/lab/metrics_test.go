package lab

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/packaging/grafana"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/peer"
	"chatmaild/testdata/lab/program"
)

// metricsPort is that of metrics_address in these tests.
const metricsPort = "9180"

// metricsProof is a relay that a real Prometheus watches.
type metricsProof struct {
	*proof
	watcher
	push  *peer.PushService
	alice account
}

// TestMetrics holds what the relay tells about itself against a real Prometheus:
// the formats, every panel of the dashboard, and every alert.
func TestMetrics(t *testing.T) {
	t.Parallel()
	p := &metricsProof{proof: &proof{}}
	p.lab, p.relay = startRelay(t, "_metrics.test",
		`metrics_address = "0.0.0.0:`+metricsPort+`"`,
		`probe_interval = "5s"`,
		`notify_url = "`+peer.PushURL+`"`,
		`max_user_send_per_minute = 6000`, `max_user_send_burst_size = 1000`)
	ctx := deadline(t, partTimeout)
	p.outside = addStation(t, p.lab, "outside")
	p.push = startPushService(ctx, t, p.lab, p.relay)

	t.Run("rules", p.rules)
	p.watcher = watch(t, p.outside, p.relay)
	eachStep(t, p, []step[*metricsProof]{
		{"traffic", (*metricsProof).traffic},
		{"text", (*metricsProof).text},
		{"public", (*metricsProof).public},
		{"panels", (*metricsProof).panels},
		{"alerts", (*metricsProof).alerts},
	})
}

// repositoryFile is the text of a file of this repository.
func repositoryFile(t *testing.T, name string) string {
	t.Helper()
	root, err := debian.Checkout()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// traffic is a little of everything.
func (p *metricsProof) traffic(t *testing.T) {
	p.sender, p.alice = p.newAccount(t), p.newAccount(t)
	k := &pushProof{proof: p.proof, service: p.push, alice: p.alice}
	// As many devices as it takes to call a service dead that none of them reaches.
	var token string
	session := p.imap(t, p.alice)
	for range 10 {
		token = k.store(t, session)
	}
	s := p.submission(t, p.sender)
	for n := range 3 {
		p.send(t, s, p.sender, p.alice.addr)
		k.waitPost(t, token, n)
	}
	if reply, err := s.Send(p.sender.addr, p.alice.addr, "From: <"+p.sender.addr+">\n\nIn the clear.\n"); err != nil || reply[:3] != "523" {
		t.Errorf("in the clear: %s, %v", reply, err)
	}
	const far = "_far.test"
	other := &peer.Host{}
	other.HTTPS = other.TakeHTTPS
	if _, err := other.Start(deadline(t, partTimeout), p.lab.Network, far); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	p.send(t, s, p.sender, "carol@"+far)
	until(deadline(t, partTimeout), t, "another relay to have a message", func() bool { return len(other.Received()) == 1 })
	stranger, err := p.outside.IMAP(deadline(t, partTimeout), p.relay.Domain)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if err := stranger.Login(p.alice.addr, "wrong password"); err == nil {
		t.Error("a wrong password was taken")
	}
	resp, _, err := browse(deadline(t, partTimeout), p.browser(t), http.MethodPost, "https://"+p.relay.Domain+"/new")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("/new: %v, %v", resp, err)
	}
	p.script(t, "systemctl start chatmaild-expire.service")
	p.script(t, "chatmaild status || true") // which calls through the TURN server
}

// text holds what is told against promtool and the promise that it is about nobody.
func (p *metricsProof) text(t *testing.T) {
	ctx := deadline(t, partTimeout)
	client := &http.Client{Transport: &http.Transport{DialContext: p.outside.DialContext, DisableKeepAlives: true}}
	start := time.Now()
	resp, body, err := browse(ctx, client, http.MethodGet, "http://"+p.relay.IPv4.String()+":"+metricsPort+"/metrics")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("scraping: %v, %v", resp, err)
	}
	t.Logf("a scrape of %d bytes took %v", len(body), time.Since(start).Round(100*time.Microsecond))
	lint, err := program.Execute(ctx, strings.NewReader(body), "promtool", "check", "metrics")
	if err != nil || lint.Code != 0 || strings.TrimSpace(lint.Stdout+lint.Stderr) != "" {
		t.Errorf("promtool check metrics: %v, status %d\n%s%s", err, lint.Code, lint.Stdout, lint.Stderr)
	}
	for _, personal := range []string{"@", p.sender.addr[:9], p.relay.Domain, p.outside.IPv4.String(), peer.PushHost} {
		if strings.Contains(body, personal) {
			t.Errorf("the metrics hold %q", personal)
		}
	}
	contains(t, "metrics --print", p.script(t, "chatmaild metrics --print"),
		`chatmaild_up{daemon="doveauth"} 1`, `chatmaild_filter_refused_total{direction="out",reason="unencrypted"} 1`)
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "chatmaild_process_pss_bytes") || strings.HasPrefix(line, "chatmaild_gather_seconds") {
			fmt.Fprint(t.Output(), line)
		}
	}
}

// public is what everybody sees of the metrics.
func (p *metricsProof) public(t *testing.T) {
	ctx := deadline(t, partTimeout)
	var body string
	// The two of this test, and the echo bot.
	until(ctx, t, "three accounts at /metrics", func() bool {
		resp, text, err := browse(ctx, p.browser(t), http.MethodGet, "https://"+p.relay.Domain+"/metrics")
		body = text
		return err == nil && resp.StatusCode == http.StatusOK && strings.Contains(text, "\naccounts 3\n")
	})
	var names []string
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "#") {
			name, _, _ := strings.Cut(line, " ")
			names = append(names, name)
		}
	}
	if want := []string{"accounts", "ci_accounts", "nonci_accounts"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// panels asks for what every panel of the dashboard shows, but those of the iroh relay, and of
// several machines: a relay with a self-signed certificate has no iroh relay, and this is one
// machine. TestIroh and TestCluster have seen their metrics.
func (p *metricsProof) panels(t *testing.T) {
	asked := p.answers(t, func(row, expr string) bool { return row != machinesRow && !strings.Contains(expr, "chatmaild_iroh_") })
	if asked < 30 {
		t.Errorf("asked %d questions: that is not the whole dashboard", asked)
	}
}

// machinesRow is the dashboard's row about a relay of several machines.
const machinesRow = "Several machines"

// answers waits until queries of the dashboard have an answer, and returns how many they are.
func (w watcher) answers(t *testing.T, want func(row, expr string) bool) (asked int) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	shipped, err := grafana.Dashboard()
	if err == nil {
		err = json.Unmarshal(shipped, &dashboard)
	}
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "10m", "$job", "chatmaild", "$instance", ".*")
	ctx, row := deadline(t, 2*partTimeout), ""
	for _, panel := range dashboard.Panels {
		if panel.Type == "row" {
			row = panel.Title
		}
		for _, target := range panel.Targets {
			if !want(row, target.Expr) {
				continue
			}
			expr := fill.Replace(target.Expr)
			asked++
			until(ctx, t, panel.Title+": "+expr, func() bool {
				found, err := w.Query(ctx, expr)
				return err == nil && slices.ContainsFunc(found, func(s peer.Series) bool { return !math.IsNaN(s.Value) })
			})
		}
	}
	fmt.Fprintln(t.Output(), asked, "queries of the dashboard answered")
	return asked
}

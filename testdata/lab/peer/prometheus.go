package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/program"
)

// prometheusAddress is where a Prometheus listens in its own station.
const prometheusAddress = "127.0.0.1:9090"

// A Prometheus is a real one, run on a station with its data in a directory.
type Prometheus struct {
	client *http.Client
	cmd    *exec.Cmd
	ended  chan error
	log    string
}

// StartPrometheus starts one that scrapes targets every second under the job
// "chatmaild", and evaluates rules as often.
func StartPrometheus(s network.Station, dir, rules string, targets ...string) (*Prometheus, error) {
	config := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: chatmaild
    static_configs: [{targets: ["%s"]}]
`, strings.Join(targets, `", "`))
	for name, text := range map[string]string{"prometheus.yml": config, "rules.yml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	p := &Prometheus{ended: make(chan error, 1), log: filepath.Join(dir, "log")}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command("ip", "netns", "exec", s.Netns, "prometheus",
		"--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+prometheusAddress)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting Prometheus: %w", err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	p.client = &http.Client{
		Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true},
		Timeout:   10 * time.Second,
	}
	return p, nil
}

// Stop ends it.
func (p *Prometheus) Stop() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.ended
	return nil
}

// Log returns what it has said so far.
func (p *Prometheus) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// A Series is one series of an answer with its value now.
type Series struct {
	Labels map[string]string
	Value  float64
}

// Query asks for an expression's value now.
func (p *Prometheus) Query(ctx context.Context, expr string) ([]Series, error) {
	address := "http://" + prometheusAddress + "/api/v1/query?query=" + url.QueryEscape(expr)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, program.MaxOutput))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("Prometheus answered %.200s: %w", text, err)
	}
	if answer.Status != "success" || answer.Data.ResultType != "vector" {
		return nil, fmt.Errorf("Prometheus answered %s to %s: %s", answer.Status, expr, answer.Error)
	}
	var all []Series
	for _, r := range answer.Data.Result {
		number, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return nil, fmt.Errorf("Prometheus answered the value %q", number)
		}
		all = append(all, Series{r.Metric, value})
	}
	return all, nil
}

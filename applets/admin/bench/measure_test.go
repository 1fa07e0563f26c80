package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make(Series, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, test := range []struct {
		series Series
		part   float64
		want   time.Duration
	}{
		{nil, 0.5, 0},
		{Series{7}, 0, 7},
		{Series{7}, 0.99, 7},
		{Series{3, 1}, 0.5, 1},
		{Series{3, 1, 2}, 0.5, 2},
		{hundred, 0, 1},
		{hundred, 0.5, 50},
		{hundred, 0.95, 95},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
	} {
		if got := test.series.Quantile(test.part); got != test.want {
			t.Errorf("quantile %v of %d: got %d, want %d", test.part, len(test.series), got, test.want)
		}
	}
}

// TestAllowance holds that accounts send what a relay allows, and no more: its
// own limiter (mailfilter/ratelimit) counts in the same way.
func TestAllowance(t *testing.T) {
	start := time.Now()
	for _, test := range []struct {
		accounts, perMinute, burst int
		after                      time.Duration
		want                       int // messages in one second from then on
	}{
		{1, 60, 10, 0, 11},
		{2, 60, 10, 0, 22},
		{1, 60, 1, time.Minute, 2},
		{3, 120, 5, time.Hour, 21},
	} {
		accounts := make([]*account, test.accounts)
		for i := range accounts {
			accounts[i] = &account{}
		}
		a := newAllowance(accounts, test.perMinute, test.burst)
		got := 0
		now := start.Add(test.after)
		for end := now.Add(time.Second); !now.After(end); {
			c, wait, _ := a.try(now)
			if c == nil {
				now = now.Add(wait)
				continue
			}
			got++
			a.give(c)
		}
		if got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
		if a.waited() == 0 || a.waited() != 0 {
			t.Errorf("%+v: waiting is not counted once", test)
		}
	}

	free := newAllowance([]*account{{}}, 0, 10)
	for range 1000 {
		c, _, _ := free.try(start)
		if c == nil {
			t.Fatal("without a limit, an account may not send")
		}
		free.give(c)
	}

	busy := newAllowance([]*account{{}}, 60, 10)
	c, _, _ := busy.try(start)
	if again, _, _ := busy.try(start); again != nil {
		t.Error("one account was given out twice")
	}
	busy.give(c)
	busy.spent(c, start)
	if again, wait, _ := busy.try(start); again != nil || wait <= 0 {
		t.Error("an account that was refused may send at once")
	}
}

func TestArrivals(t *testing.T) {
	a, now := newArrivals(), time.Now()
	for _, id := range []string{"one", "two", "three", "four"} {
		a.leave(id, now)
	}
	a.arrive("two", now.Add(2*time.Second))
	a.arrive("one", now.Add(time.Second))
	a.arrive("one", now.Add(3*time.Second))
	a.arrive("other", now.Add(3*time.Second))
	a.refused("three")
	took, last, missing := a.take()
	if len(took) != 2 || took.Quantile(1) != 2*time.Second || !last.Equal(now.Add(time.Second)) || len(missing) != 1 || !missing["four"] {
		t.Errorf("got %v, the last at %v, and %v missing", took, last.Sub(now), missing)
	}
	a.wait(t.Context()) // nothing is on its way: it returns
}

func sample() *Report {
	r := &Report{
		Domain: "<chat>.test", Version: "1.2", Time: time.Unix(1_790_000_000, 0).UTC(), Seconds: 34.5, Accounts: 40, Limit: 60,
		Best: 57.25, Stopped: "more clients did not get more messages through",
	}
	for i := range 100 {
		d := time.Duration(i+1) * time.Millisecond
		r.Connect, r.First, r.Known, r.Delivery = append(r.Connect, d), append(r.First, 3*d), append(r.Known, 2*d), append(r.Delivery, 4*d)
	}
	for i, n := range []int{1, 2, 4} {
		r.Levels = append(r.Levels, Level{
			Clients: n, Taken: 40 * n, PerSecond: float64(20 * n), Accept: r.Connect, Delivery: r.Delivery[i*20:], Held: i == 2, Untold: i,
		})
	}
	return r
}

// TestPage holds that the page is well-formed, shows what was measured, and asks
// nobody for anything.
func TestPage(t *testing.T) {
	page, err := sample().HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"&lt;chat&gt;.test", "<b>200 ms</b>", "<b>57.2/s</b>", "<td>396 ms</td>", "held back by the limit, 2 arrived without a notification",
		"from sending until the other phone is notified", "prefers-color-scheme: dark", "p95, 4 clients: 388 ms",
	} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, not := range []string{"http://", "https://", "<script", "url(", "@import", " src=", " href=", "NaN", "Inf", "ZgotmplZ"} {
		if bytes.Contains(page, []byte(not)) {
			t.Errorf("%q in the page", not)
		}
	}
	if n := bytes.Count(page, []byte("<svg ")); n != 3 {
		t.Errorf("%d plots, want 3", n)
	}
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%d elements are not closed", depth)
	}
	// A relay that did nothing has a page, too.
	if page, err := (&Report{}).HTML(); err != nil || bytes.Contains(page, []byte("NaN")) {
		t.Errorf("an empty report: %v", err)
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	if err := sample().Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"measuring <chat>.test with chatmaild 1.2", "delivery    100  200 ms  380 ms  396 ms   400 ms",
		"held back by the limit, 2 arrived without a notification\n", "57.2 messages a second at best; more clients",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Delivery map[string]float64
		Levels   []struct {
			Clients   int
			PerSecond float64 `json:"per_second"`
			Held      bool
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Delivery["p95_ms"] != 380 || got.Delivery["count"] != 100 || len(got.Levels) != 3 || !got.Levels[2].Held || got.Levels[1].PerSecond != 40 {
		t.Errorf("got %+v", got)
	}
}

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"chatmaild/testdata/kit/measure"
)

// posters is how many POSTs of the floor are in progress at once: those of one
// HTTP/2 connection.
const posters = 100

// floor is what remains of a notifier without queue, tokens and bookkeeping: it
// POSTs count small bodies, as fast as the service takes them.
func floor(url string, count int64) error {
	var next atomic.Int64
	errs := make([]error, posters)
	var wg sync.WaitGroup
	for i := range posters {
		wg.Go(func() {
			for n := next.Add(1); n <= count && errs[i] == nil; n = next.Add(1) {
				errs[i] = post(url, fmt.Appendf(nil, "token-%08d", n))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func post(url string, body []byte) error {
	answer, err := http.Post(url, "", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the service answers %s", answer.Status)
	}
	return nil
}

// floorRate runs the floor in a process of its own and returns its POSTs a second.
func floorRate(s *service, count int) (float64, error) {
	cmd, err := measure.Self("-post", s.url, strconv.Itoa(count))
	if err != nil {
		return 0, err
	}
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+s.certFile)
	cmd.Stderr = os.Stderr
	s.reset()
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("the floor: %w", err)
	}
	last, err := s.wait(count, time.Minute)
	return float64(count) / last.Sub(start).Seconds(), err
}

package lab

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"chatmaild/testdata/kit/pki"
)

const (
	busyHost   = "busy.test"
	busyDetail = "too many certificates (5) already issued for this exact set of domains"
)

// startBusy starts an authority that opens accounts, and answers every order that
// its limit is reached, and when to come again (RFC 8555 §6.6). It returns its
// directory, and its root.
func startBusy(t *testing.T, l *Lab, again time.Time) (directory string, root []byte) {
	t.Helper()
	s := addStation(t, l, "busy")
	publish(t, l, busyHost, "A", s.IPv4.String())
	pair, err := pki.New(nil, pki.Request{Names: []string{busyHost}})
	if err != nil {
		t.Fatal(err)
	}
	root, _, err = pki.PEM(pair)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := s.Listen(443)
	if err != nil {
		t.Fatal(err)
	}
	const base = "https://" + busyHost
	mux := http.NewServeMux()
	mux.HandleFunc("/dir", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{
			"newNonce": base + "/nonce", "newAccount": base + "/account", "newOrder": base + "/order",
		})
	})
	mux.HandleFunc("/account", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", base+"/account/1")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"status":"valid"}`)
	})
	mux.HandleFunc("/order", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", again.UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		json.NewEncoder(w).Encode(map[string]any{
			"type": "urn:ietf:params:acme:error:rateLimited", "status": http.StatusTooManyRequests, "detail": busyDetail,
		})
	})
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Replay-Nonce", fmt.Sprint(time.Now().UnixNano()))
			mux.ServeHTTP(w, r)
		}),
	}
	go server.ServeTLS(listener, "", "")
	t.Cleanup(func() { server.Close() })
	return base + "/dir", root
}

package remote

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// maxPage bounds what is read of a page, in bytes.
const maxPage = 1 << 20

// Page is what a web server answered. Redirections are not followed.
type Page struct {
	Status int
	Header http.Header
	Body   []byte
}

// Web asks a web server of the relay for a page: GET, or POST with an empty body.
// A host other than the relay's own, such as mta-sts.DOMAIN, is looked up itself.
func (r *Relay) Web(ctx context.Context, method, url string) (*Page, error) {
	config := r.TLSConfig(Web)
	config.ServerName = "" // the one of the URL
	transport := &http.Transport{
		// The caller's context, not the one of dialing, which ends before.
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			return r.ConnectTo(ctx, address)
		},
		TLSClientConfig:        config,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxLine,
	}
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(""))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxPage {
		return nil, fmt.Errorf("a page of more than %d bytes", maxPage)
	}
	return &Page{resp.StatusCode, resp.Header, body}, nil
}

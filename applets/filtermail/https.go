package filtermail

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
	"chatmaild/applets/transport/mxdeliv"
	"chatmaild/mailfilter/proxy"
)

// https takes mail that other relays deliver by HTTPS, from nginx.
func https(conf *config.Config, set *metric.Set, server *proxy.Server, log *slog.Logger) []service.Endpoint {
	answers := NewHTTPSMetrics(set)
	handler := mxdeliv.New(mxdeliv.Options{
		Name: conf.AddressDomain(), Filter: server, Now: time.Now,
		MaxAtOnce: max(conf.FiltermailMaxInFlight/2, 1),
		Answered:  func(status int) { answers.At(strconv.Itoa(status)).Add(1) },
	})
	return []service.Endpoint{{
		Name: "mxdeliv", Address: service.Unix(conf.Socket("mxdeliv")),
		Serve: func(ctx context.Context, l net.Listener) error {
			return service.ServeLargeHTTP(ctx, l, handler, mxdeliv.MaxHeader, log)
		},
	}}
}

// NewHTTPSMetrics adds to set what is counted of mail by HTTPS. What is refused comes
// again by SMTP, and is counted among the filter's messages there.
func NewHTTPSMetrics(set *metric.Set) *metric.Values {
	status := metric.Label{Name: "status"}
	for _, each := range mxdeliv.Statuses() {
		status.Values = append(status.Values, strconv.Itoa(each))
	}
	return set.Counter("chatmaild_mxdeliv_answers_total", "Messages that other relays delivered by HTTPS, by the status that they were answered with", status)
}

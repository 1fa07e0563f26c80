package desired

import (
	"chatmaild/applets/config"
	"chatmaild/applets/transport/mxdeliv"
	"chatmaild/auth/mailaddr"
)

// site is what nginx's template sees beside the rest of the view.
type site struct{ conf *config.Config }

// URLHost is Host as a URL has it.
func (s site) URLHost() string { return mailaddr.InURL(config.Host(s.conf)) }

// ByALPN are the ports on which a client selects the protocol by ALPN.
func (s site) ByALPN() []int {
	if s.conf.Hidden {
		return s.conf.ExtraPorts
	}
	return append([]int{443}, s.conf.ExtraPorts...)
}

// HiddenRoot is the directory of the pages that a hidden relay shows: the operator's, or
// those that Debian's nginx comes with.
func (s site) HiddenRoot() string {
	if s.conf.WWWFolder == "" {
		return "/usr/share/nginx/html"
	}
	return WebRoot
}

// ShowsMetrics reports whether the number of accounts is public.
func (s site) ShowsMetrics() bool { return s.conf.PublicMetrics && !s.conf.Hidden }

// MxdelivHeaders is how many buffers of 8 KiB the header of a request may take: the
// recipients of a message are there.
func (s site) MxdelivHeaders() int { return mxdeliv.MaxHeader / (8 << 10) }

package proxyconfig

import (
	"embed"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// The templates are named as --web names the servers. Each begins with the steps to
// set the server up, as comments.
//
//go:embed web/*.tmpl
var webTemplates embed.FS

// webServers are those that --web knows.
var webServers = []string{"caddy", "haproxy", "nginx", "traefik"}

// webServer is a web server that keeps ports 80 and 443 of its machine, for its own
// sites and for the relay: what its template sees.
type webServer struct {
	Names      []string // of the relay; whatever asks for others is not for it
	SelfSigned bool     // the relay's certificate cannot be verified
	ExtraPorts []int    // that serve what port 443 does

	relay netip.Addr
}

// webConfig writes the configuration of a web server that has ports 80 and 443 for
// itself, by which it serves the relay's names, too.
func webConfig(w io.Writer, server string, conf *config.Config, t targets) error {
	if !slices.Contains(webServers, server) {
		return command.Usagef("--web %s: want one of %s", server, strings.Join(webServers, ", "))
	}
	if _, literal := conf.Literal(); literal {
		return command.Usagef("--web: %s is an address, and a web server tells its sites apart by name", conf.MailDomain)
	}
	relay, err := t.one("--web")
	if err != nil {
		return err
	}
	parsed, err := template.New("").Funcs(template.FuncMap{"join": strings.Join}).ParseFS(webTemplates, "web/*.tmpl")
	if err != nil {
		return err
	}
	return parsed.ExecuteTemplate(w, server+".tmpl", webServer{conf.CertificateNames(), conf.SelfSigned(), conf.ExtraPorts, relay})
}

// Name is the relay's own name, the first of its names.
func (s webServer) Name() string { return s.Names[0] }

// Address is the relay's address.
func (s webServer) Address() string { return s.relay.String() }

// At is a port of the relay, as "host:port".
func (s webServer) At(port int) string {
	return net.JoinHostPort(s.relay.String(), strconv.Itoa(port))
}

// Proxied is where the relay expects the PROXY protocol for what comes to a public port.
func (s webServer) Proxied(public int) (string, error) {
	for _, p := range desired.ProxiedPorts() {
		if p.Public == public {
			return s.At(p.Port), nil
		}
	}
	return "", fmt.Errorf("port %d is not handed on by the PROXY protocol", public)
}

// MailPorts are the public ports that are for mail alone.
func (s webServer) MailPorts() []int {
	var ports []int
	for _, p := range desired.ProxiedPorts() {
		if p.Public != 443 {
			ports = append(ports, p.Public)
		}
	}
	return ports
}

// ProxyPorts are the relay's ports for the PROXY protocol, as a text.
func (s webServer) ProxyPorts() string {
	var ports []string
	for _, p := range desired.ProxiedPorts() {
		ports = append(ports, strconv.Itoa(p.Port))
	}
	last := len(ports) - 1
	return strings.Join(ports[:last], ", ") + " and " + ports[last]
}

// TurnPort is the port for calls.
func (s webServer) TurnPort() int { return config.TurnPort }

// Rule is a rule of Traefik's that is true for each of the relay's names.
func (s webServer) Rule(matcher string) string {
	var alternatives []string
	for _, name := range s.Names {
		alternatives = append(alternatives, fmt.Sprintf("%s(`%s`)", matcher, name))
	}
	return strings.Join(alternatives, " || ")
}

// Sites are Caddy's names of the relay's sites, each with this prefix.
func (s webServer) Sites(prefix string) string {
	return prefix + strings.Join(s.Names, ", "+prefix)
}

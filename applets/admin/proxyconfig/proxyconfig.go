// Package proxyconfig prints the configuration of another machine that passes a relay's
// connections on to it: by packet filter rules, by nginx and the PROXY protocol, or by a
// web server that has sites of its own, too.
package proxyconfig

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"text/template"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// What is printed begins with the steps to set the machine up, as comments. The templates of
// web servers are named as --web names them.
//
//go:embed templates/*.tmpl
var templates embed.FS

// fill writes a template with what it sees.
func fill(w io.Writer, name string, view any) error {
	parsed, err := template.New("").Funcs(template.FuncMap{"join": strings.Join}).ParseFS(templates, "templates/*.tmpl")
	if err != nil {
		return err
	}
	return parsed.ExecuteTemplate(w, name+".tmpl", view)
}

// Command is chatmaild proxy-config.
var Command = command.Command{
	Name: "proxy-config", Kind: command.Admin,
	Synopsis: "prints the configuration of a machine in front of this relay",
	Description: `That machine passes all connections for mail, web and calls on. The output begins
with the steps to set it up. With --proxy-protocol the relay learns the address of each
client; see proxy_addresses in chatmail.toml(5). With --web a web server of that
machine keeps ports 80 and 443, and serves other sites too. With --wireguard the relay
needs no public address: that machine, which proxy_addresses names, reaches it by a
tunnel, and its mail leaves through it. The keys are generated once, and kept in
/etc/chatmail/wireguard.`,
	Examples: command.Examples{
		{"proxy-config --target 192.0.2.7 --target 2001:db8::7", "packet filter rules, for IPv4 and IPv6"},
		{"proxy-config --proxy-protocol --target 192.0.2.7", "an nginx configuration"},
		{"proxy-config --web haproxy --target 192.0.2.7", "for a HAProxy that has other web sites"},
		{"proxy-config --wireguard proxy | ssh root@192.0.2.1 sh", "set up the far end of a tunnel"},
		{"proxy-config --wireguard relay | sh", "set up the end here"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		var target targets
		fs.Var(&target, "target", "pass connections on to the relay at `ADDRESS`; give it twice for IPv4 and IPv6")
		protocol := fs.Bool("proxy-protocol", false, "print an nginx configuration instead of packet filter rules")
		web := fs.String("web", "", "print the configuration of a web server that has other sites, too; `SERVER` is caddy, haproxy, nginx or traefik")
		wireguard := fs.String("wireguard", "", "print a shell script for one `END` of a tunnel to a relay without a public address: proxy or relay")
		withoutWeb := fs.Bool("without-web", false, "leave ports 80 and 443 out of the packet filter rules")
		return func(_ context.Context, env *command.Env, args []string) error {
			switch {
			case len(args) > 0:
				return command.Usagef("unexpected argument %q: the relay's address follows --target", args[0])
			case *web != "" && (*protocol || *withoutWeb), *protocol && *withoutWeb:
				return command.Usagef("want one of --web, --proxy-protocol and --without-web")
			case *wireguard != "" && (*web != "" || *protocol || *withoutWeb || target != targets{}):
				return command.Usagef("--wireguard takes no other flag: proxy_addresses in the configuration has the addresses")
			}
			// What does not depend on the relay's name is printed anywhere.
			conf, err := relayConfig(env, *wireguard == "" && *web == "")
			switch {
			case err != nil:
				return err
			case *wireguard != "":
				return tunnelConfig(env.Stdout, *wireguard, conf, tunnelKeys)
			case *web != "":
				return webConfig(env.Stdout, *web, conf, target)
			case *protocol:
				return proxyProtocolConfig(env.Stdout, conf, target)
			}
			return packetFilter(env.Stdout, conf, target, *withoutWeb)
		}
	},
}

// relayConfig is the relay's configuration, or where that is enough the default one: on the
// machine in front there is none.
func relayConfig(env *command.Env, defaults bool) (*config.Config, error) {
	if _, err := os.Stat(env.ConfigPath); defaults && errors.Is(err, fs.ErrNotExist) {
		return config.Defaults(), nil
	}
	return env.Config()
}

// targets is the value of --target: an address of each family at most.
type targets struct{ IPv4, IPv6 netip.Addr }

// String is empty until there is a target: it is how flag shows a default.
func (t *targets) String() string { return "" }

// Set adds an address. One that only this machine can reach is none for a proxy.
func (t *targets) Set(text string) error {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		return fmt.Errorf("want an address such as 192.0.2.7 or 2001:db8::7")
	}
	if addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
		return fmt.Errorf("other machines cannot reach that address")
	}
	of := &t.IPv6
	if addr.Is4() {
		of = &t.IPv4
	}
	if of.IsValid() {
		return fmt.Errorf("want one address per family; %v is given already", *of)
	}
	*of = addr
	return nil
}

// Addresses are all of them.
func (t targets) Addresses() (all []string) {
	for _, addr := range []netip.Addr{t.IPv4, t.IPv6} {
		if addr.IsValid() {
			all = append(all, addr.String())
		}
	}
	return all
}

// one is the only address, for what cannot hand a connection on by another protocol than
// TCP, so that one address serves clients of both families.
func (t *targets) one(flag string) (netip.Addr, error) {
	if t.IPv4.IsValid() == t.IPv6.IsValid() {
		return netip.Addr{}, command.Usagef("%s needs exactly one --target, for clients over IPv4 and IPv6 alike", flag)
	}
	if t.IPv4.IsValid() {
		return t.IPv4, nil
	}
	return t.IPv6, nil
}

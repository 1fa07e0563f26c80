package proxyconfig

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/nft"
	"chatmaild/applets/config"
)

// protocolSteps come in front of nginx's configuration, as its nft.Comment.
const protocolSteps = `Forwards the mail, web and call ports of this machine to the chatmail relay at
%[1]s, and passes on the address of each client with the PROXY protocol.

On the relay: in /etc/chatmail/chatmail.toml name the addresses of this machine,

    proxy_addresses = ["ADDRESS", …]

then: chatmaild run. Only from these addresses it accepts the PROXY protocol, on
ports 20025, 20143, 20443, 20465, 20587 and 20993: open them to this machine.

Here, on a Debian machine that is not a relay itself, as root:

    apt install nginx-light libnginx-mod-stream
    save this text as /etc/nginx/nginx.conf
    nginx -t && systemctl restart nginx

In DNS, set the A and AAAA records of the relay's name to the addresses of this
machine. chatmaild dns, on the relay, shows all records.

Calls: the relay relays them through its own ports (turn_ports, UDP), which callers must
be able to reach on the relay itself, bypassing this machine; see turn_external_address. If they cannot,
set turn = "off".

To undo it: apt purge nginx-light here, set the relay's own addresses in DNS, and
remove proxy_addresses.
`

// proxyConnections is how many connections a worker of the proxy's nginx has: two
// for each client, and twice the clients that a relay takes by default.
const proxyConnections = 40000

// proxyProtocolConfig writes the whole configuration of nginx on a machine in
// front of the relay.
func proxyProtocolConfig(w io.Writer, conf *config.Config, t targets) error {
	relay, err := t.one("--proxy-protocol")
	if err != nil {
		return err
	}
	at := func(port int) string { return net.JoinHostPort(relay.String(), strconv.Itoa(port)) }
	ports := map[int]string{}
	var servers strings.Builder
	for _, p := range desired.ProxiedPorts() {
		ports[p.Public] = at(p.Port)
		to, preread, listen := at(p.Port), "", []int{p.Public}
		// 443 is the only port where the protocol is not known by its number: nginx reads it from
		// the ClientHello, without opening it.
		if p.Public == 443 {
			to, preread, listen = "$chatmail_server", "        ssl_preread on;\n", append(listen, conf.ExtraPorts...)
		}
		servers.WriteString("    server {\n")
		for _, port := range listen {
			fmt.Fprintf(&servers, "        listen %[1]d;\n        listen [::]:%[1]d;\n", port)
		}
		fmt.Fprintf(&servers, "%s        proxy_protocol on;\n        proxy_pass %s;\n    }\n", preread, to)
	}
	// proxy_timeout is above that of IDLE, which clients renew within 29 minutes (RFC 2177);
	// that of UDP is the lifetime of a TURN allocation, 10 minutes (RFC 8656).
	_, err = fmt.Fprintf(w, `%[1]s
include /etc/nginx/modules-enabled/*.conf;
user www-data;
pid /run/nginx.pid;
worker_processes auto;
worker_rlimit_nofile %[2]d;
error_log syslog:server=unix:/dev/log,nohostname crit;

events {
    worker_connections %[3]d;
}

stream {
    proxy_timeout 40m;
    # Port 443 is for everything: a client names its protocol by ALPN.
    map $ssl_preread_alpn_protocols $chatmail_server {
        ~\bimap\b  %[4]s;
        ~\bsmtp\b  %[5]s;
        default    %[6]s;
    }
%[7]s    # Nothing there depends on the client's address.
    server {
        listen 80;
        listen [::]:80;
        proxy_pass %[8]s;
    }
    # TURN knows clients by their passwords. All packets of one reach the same worker.
    server {
        listen %[9]d;
        listen [::]:%[9]d;
        proxy_pass %[10]s;
    }
    server {
        listen %[9]d udp reuseport;
        listen [::]:%[9]d udp reuseport;
        proxy_timeout 10m;
        proxy_pass %[10]s;
    }
}
`, nft.Comment(fmt.Sprintf(protocolSteps, relay)), proxyConnections+512, proxyConnections,
		ports[993], ports[465], ports[443], servers.String(), at(80), config.TurnPort, at(config.TurnPort))
	return err
}

package desired

import "chatmaild/applets/config"

// Ports of nginx on the loopback interface, on the way to other_sites.
const (
	plainSitesPort   = 10443 // to servers that do not expect the PROXY protocol
	proxiedSitesPort = 10444 // from machines in front of the relay
)

// sitePorts are nginx's for these sites.
func sitePorts(conf *config.Config) []Port {
	if len(conf.OtherSites) == 0 {
		return nil
	}
	nginx := []string{nginxMaster}
	ports := []Port{{plainSitesPort, "other_sites", false, nginx}}
	if len(conf.ProxyAddresses) > 0 {
		ports = append(ports, Port{proxiedSitesPort, "other_sites behind a machine in front", false, nginx})
	}
	return ports
}

package config

import (
	"fmt"
	"slices"
)

// fixedPorts are TCP ports that a relay's servers have or may have, whatever the
// configuration says: package desired knows them by their jobs.
var fixedPorts = []int{
	22, 25, 80, 143, ACMEPort, 443, 465, 587, 993, TurnPort,
	MemberSMTPPort, MemberPorterPort, MemberLimitPort, MemberSignupPort, 8443, 10027, 10143, 10225, 10443, 10444, 10465, 10587, 10588, 10993,
	20025, 20143, 20443, 20465, 20587, 20993,
}

// maxExtraPorts is more than a network leaves open that blocks port 443.
const maxExtraPorts = 16

// checkExtraPorts refuses ports that are in use.
func checkExtraPorts(c *Config) error {
	if len(c.ExtraPorts) > maxExtraPorts {
		return fmt.Errorf("%d ports: want %d at most", len(c.ExtraPorts), maxExtraPorts)
	}
	taken := withFixed(c)
	for _, port := range c.ExtraPorts {
		if err := between(port, 1, 65535); err != nil {
			return err
		}
		if slices.Contains(taken, port) {
			return fmt.Errorf("port %d is in use already: want another one", port)
		}
		taken = append(taken, port)
	}
	return nil
}

// withFixed are fixedPorts and those that the configuration has elsewhere.
func withFixed(c *Config) []int {
	return append([]int{
		c.FiltermailSMTPPort, c.FiltermailSMTPPortIncoming, c.PostfixReinjectPort, c.PostfixReinjectPortIncoming,
	}, fixedPorts...)
}

// takenPorts are all TCP ports that the relay's servers have or may have.
func takenPorts(c *Config) []int { return append(withFixed(c), c.ExtraPorts...) }

// Package peer is what a relay meets on the lab's network: a certificate authority, mail
// servers of others, well-behaved ones and others, and a Prometheus that scrapes it.
package peer

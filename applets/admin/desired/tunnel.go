package desired

// The end here of a tunnel to a machine in front of the relay, which "chatmaild
// proxy-config --wireguard" makes: its interface, and the file of wg-quick(8).
const (
	TunnelInterface = "chatmail"
	TunnelConfig    = "/etc/wireguard/" + TunnelInterface + ".conf"
)

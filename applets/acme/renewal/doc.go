// Package renewal gets the relay's certificate from a certificate authority and
// renews it: ACME, RFC 8555, over the client library acmez. certmagic, which is built on
// acmez, is for programs that serve with their own certificates: Postfix, Dovecot and
// nginx serve with ours. It brings seven more modules and 0.1 MiB for each of our
// processes.
//
// One certificate is for all of the relay's names. Its key is created once and kept
// at every renewal, because Delta Chat pins it: a client that has seen the key
// accepts even an expired certificate. A [Keeper] decides when to ask, an
// [Authority] asks, and [Files] are the result:
//
//	live/privkey.pem    key of the certificate; never replaced
//	live/fullchain.pem  the certificate, then its chain; replaced in one step
//	account.pem         key of the account with the authority
//	state.json          what happened last, for "chatmaild status"
//
// The keeper never touches a certificate that still serves: on failure the old
// one stays, the reason is written to state.json, and it tries again later.
// Reloading the servers is not its business; systemd watches the file.
package renewal

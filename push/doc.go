// Package push wakes sleeping phones: it keeps each account's push tokens, decides
// when the notification service is told about new mail, and says which METADATA
// values clients read. It is pure: disk, network and clock are parameters.
//
// # Tokens
//
// A client sets /private/devicetoken on its INBOX after each login (RFC 5464,
// SETMETADATA); Dovecot hands it on over its dict protocol, see Metadata. A token is
// opaque, at most MaxTokenLength printable characters. An account has at most
// MaxTokens; the one seen least recently goes first. A token goes MaxTokenAge after
// it was last seen, when the notification service calls it gone (410), and with the
// mailbox. New ones are bounded in time, too: NewTokensPerMinute.
//
// # Notifications
//
// A delivered message makes one Entry for each token of the account, durable before
// Dovecot is answered. The Notifier sends the raw token as the body of a POST:
//
//	2xx          done
//	410          the token is removed
//	429, 503     not again before Retry-After
//	all else     again after 8, 64, 512 and then every 4096 s, with jitter
//
// until MaxRetryAge (5 hours) after the message. The Python relay says the same and
// in fact stops after the fifth try, 78 minutes in. While an entry waits, further
// messages for its token add nothing; a message that arrives while its POST is under
// way makes a new entry, as that POST may have been too early.
//
// # Invariants
//
// What was acknowledged is sent once or more, unless the token or the mailbox goes,
// five hours pass, or MaxQueued is reached (then what has been due longest goes, and is
// counted). At most Options.InFlight POSTs are in progress, never two for one token.
// A fresh entry overtakes overdue ones, and those drain at a bounded rate. A service
// that seems dead is asked by one probe at a time, see Circuit: a notification, or a
// question without a token if none is due; a token that has worked is preferred. What
// fails for one account counts once, and its POSTs in progress are AccountInFlight at most:
// its user's tokens may fail or hang as he likes, the others' mail is announced. Nothing here puts a token or an address into
// an error.
//
// # The walk of a notification
//
//	a message is in the mailbox          packaging/dovecot (push_notification.lua)
//	  Dovecot's dict protocol            packaging/dovecot/dict, tabline
//	    the daemon                       applets/metadata
//	      an entry for each token        Metadata.Set
//	        on the disk                  store/tokens
//	  Dovecot is answered
//	  sent, or retried later             Notifier.Fresh, Circuit
//	    POST to the service              push/gateway
//	    gone, done or due again          store/tokens
package push

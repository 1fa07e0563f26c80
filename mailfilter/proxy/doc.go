// Package proxy is the SMTP side of the mail filter: a before-queue filter as
// Postfix's smtpd_proxy_filter wants one. Postfix hands a message over while its
// client still waits; the proxy checks it against a [mailfilter.Policy] as the
// bytes pass, hands it to Postfix's other port (the queue), and answers with
// what that port said. Users' clients come to the proxy itself ([Submission]): it is
// their SMTP server, with TLS and logins, by the same reader, grammar and queue.
//
// # What holds
//
//   - 250 to a message is always the queue's own 250, given to all recipients.
//     The final dot is sent to the queue after the verdict, and only then; until
//     it has come, a queue drops what it got when the connection is cut
//     (RFC 5321, section 4.1.1.4). The first 16 KiB are held back as well, so
//     that the queue never sees most of the messages that are refused.
//   - A message passes byte for byte, or not at all. Bare CR, bare LF, NUL and
//     lines longer than [mailfilter.MaxLine] are refused, and the end of a message is
//     <CR><LF>.<CR><LF> and nothing else, so that there is no second message
//     that only one of the programs in the chain sees (SMTP smuggling).
//   - MAIL and RCPT parameters reach the queue as they came (SIZE, BODY,
//     SMTPUTF8, ORCPT, NOTIFY, and those not known here). XFORWARD is taken and
//     forgotten, and not offered: the addresses of users' machines must be
//     neither in the queue's log nor in the mail.
//   - Memory does not grow with messages. Each one in flight has two buffers of
//     fixed size; [Options.MaxInFlight] bounds their number. Beyond it peers
//     wait for [Options.BusyTimeout], and then get 451. What a user's client uploads
//     is in flight once it is whole; until then, what is large is on the disk.
//   - Faults of ours and of the queue are 4xx.
//
// It speaks SMTP itself instead of using a library because it must see, and keep,
// every byte: libraries repair line ends, which is exactly what must not happen
// here, and refuse parameters that they do not know.
package proxy

package proxy

import (
	"errors"
	"fmt"

	"chatmaild/mailfilter"
)

// What peers are told by the proxy itself. Those of a verdict are in refusal;
// everything else that a message is answered with comes from the queue.
const (
	sayBye      = "221 2.0.0 Bye\r\n"
	sayOK       = "250 2.0.0 Ok\r\n"
	saySender   = "250 2.1.0 Ok\r\n"
	sayRcpt     = "250 2.1.5 Ok\r\n"
	sayVerify   = "252 2.0.0 Cannot verify, but will try\r\n"
	sayData     = "354 End data with <CR><LF>.<CR><LF>\r\n"
	sayShutdown = "421 4.3.2 Shutting down\r\n"
	sayTimeout  = "421 4.4.2 Timeout\r\n"
	sayErrors   = "421 4.7.0 Too many errors\r\n"
	sayOusted   = "421 4.4.2 Idle while others wait\r\n"
	sayFault    = "451 4.3.0 Internal error, try again later\r\n"
	sayBusy     = "451 4.3.2 Too many messages at once, try again later\r\n"
	sayNoQueue  = "451 4.4.0 The mail queue does not answer, try again later\r\n"
	sayTooMany  = "452 4.5.3 Too many recipients\r\n"
	sayLong     = "500 5.5.2 Line too long\r\n"
	sayBare     = "500 5.5.2 Bare CR or LF, or NUL\r\n"
	sayUnknown  = "500 5.5.2 Command not recognized\r\n"
	saySyntax   = "501 5.5.4 Syntax error in parameters\r\n"
	sayNotHere  = "502 5.5.1 Command not implemented\r\n"
	sayOrder    = "503 5.5.1 Bad sequence of commands\r\n"
	sayTooLarge = "552 5.3.4 Message too large\r\n"
	sayAddress  = "553 5.1.3 Address not understood\r\n"
)

// What users' clients are told besides, in the words of RFC 4954, RFC 3207 and Postfix.
const (
	sayStartTLS    = "220 2.0.0 Ready to start TLS\r\n"
	sayLoggedIn    = "235 2.7.0 Authentication successful\r\n"
	sayResponse    = "334 \r\n"
	sayUser        = "334 VXNlcm5hbWU6\r\n" // "Username:"
	sayPassword    = "334 UGFzc3dvcmQ6\r\n" // "Password:"
	sayCrowded     = "421 4.7.0 Error: too many connections, try again later\r\n"
	sayAddressFull = "421 4.7.0 Error: too many connections from your address\r\n"
	sayNoDisk      = "452 4.3.1 Insufficient system storage\r\n"
	sayNoTLS       = "454 4.7.0 TLS not available due to local problem\r\n"
	sayNotChecked  = "454 4.7.0 Temporary authentication failure\r\n"
	sayCancelled   = "501 5.7.0 Authentication cancelled\r\n"
	sayBase64      = "501 5.5.2 Cannot decode the response\r\n"
	sayNoVerify    = "502 5.5.1 VRFY command is disabled\r\n"
	sayMechanism   = "504 5.5.4 Unrecognized authentication type\r\n"
	sayTLSFirst    = "530 5.7.0 Must issue a STARTTLS command first\r\n"
	sayLoginFirst  = "530 5.7.0 Authentication required\r\n"
	sayWrong       = "535 5.7.8 Error: authentication failed\r\n"
	sayInjected    = "554 5.5.0 Error: commands behind STARTTLS\r\n"
)

// sayEncrypt is how the reply to a message in the clear begins. Clients know it by
// heart.
const sayEncrypt = "523 Encryption Needed: Invalid Unencrypted Mail"

// sayRefused is the reply without a reason.
const sayRefused = "554 5.7.1 Message refused\r\n"

// refusal is the reply to a message that the policy refuses. Users of other
// programs than Delta Chat are told what is wrong with their encrypted message, unless
// nobody is to be told that it should be encrypted.
func refusal(r *mailfilter.Refusal, hidden bool) string {
	switch r.Reason {
	case mailfilter.Unencrypted:
		if hidden {
			return sayRefused
		}
		if r.Err == nil || errors.Is(r.Err, mailfilter.ErrCleartext) {
			return sayEncrypt + "\r\n"
		}
		return fmt.Sprintf("%s (%v)\r\n", sayEncrypt, r.Err)
	case mailfilter.FromMismatch:
		return fmt.Sprintf("500 Invalid FROM <%s> for <%s>\r\n", r.From, r.Sender)
	case mailfilter.RateLimited:
		return fmt.Sprintf("450 4.7.1: Too much mail from <%s>\r\n", r.Sender)
	case mailfilter.BadHeader:
		return "554 5.6.0 Invalid message header\r\n"
	case mailfilter.BadAddress:
		return "553 5.1.3 Invalid recipient address\r\n"
	case mailfilter.BadSender:
		return "553 5.1.7 Invalid sender address\r\n"
	case mailfilter.Unsigned:
		return "554 5.7.1 No DKIM signature found\r\n"
	case mailfilter.BadSignature:
		return fmt.Sprintf("554 5.7.1 No valid DKIM signature found: %v\r\n", r.Err)
	case mailfilter.KeyUnknown:
		return "451 4.4.3 The DKIM key cannot be looked up, try again later\r\n"
	case mailfilter.KeyPending:
		return "451 4.7.5 No valid DKIM signature found: the key may not have arrived in the DNS; publish the TXT record SELECTOR._domainkey.DOMAIN, then wait\r\n"
	case mailfilter.FutureSignature:
		return "451 4.7.5 The DKIM signature was made in the future, try again once our clocks agree\r\n"
	case mailfilter.ForgedLiteral:
		return "554 5.7.1 The author's address literal is not the client's address\r\n"
	case mailfilter.LiteralFamily:
		return "451 4.7.1 The author's address literal is of another protocol than the client's address\r\n"
	default:
		return sayRefused
	}
}

// malformed is the reply to a message that is not well-formed on the wire; ok
// says whether err is a fault of that kind.
func malformed(err error) (say string, ok bool) {
	switch {
	case errors.Is(err, errTooLarge):
		return sayTooLarge, true
	case errors.Is(err, errLongLine):
		return sayLong, true
	case errors.Is(err, errBareLineEnd):
		return "554 5.6.0 Bare CR or LF in the message\r\n", true
	case errors.Is(err, errNUL):
		return "554 5.6.0 NUL in the message\r\n", true
	}
	return "", false
}

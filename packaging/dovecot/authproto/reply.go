package authproto

import (
	"net/netip"
	"strconv"

	"chatmaild/packaging/dovecot/tabline"
)

// CookieLen is the length of a cookie: 16 bytes in hexadecimal
// (AUTH_CLIENT_COOKIE_SIZE).
const CookieLen = 32

// Plain is the one mechanism that is offered (RFC 4616).
const Plain = "PLAIN"

// AppendClientHandshake appends what a server tells a client first: its process,
// the connection's number and the connection's cookie.
func AppendClientHandshake(b []byte, pid int, connection uint64, cookie string) []byte {
	b = appendVersion(b)
	b = tabline.AppendLine(b, "MECH", Plain, "plaintext")
	b = tabline.AppendLine(b, "SPID", strconv.Itoa(pid))
	b = tabline.AppendLine(b, "CUID", strconv.FormatUint(connection, 10))
	b = tabline.AppendLine(b, "COOKIE", cookie)
	return tabline.AppendLine(b, "DONE")
}

// AppendMasterHandshake appends what a server tells a master first.
func AppendMasterHandshake(b []byte, pid int) []byte {
	return tabline.AppendLine(appendVersion(b), "SPID", strconv.Itoa(pid))
}

func appendVersion(b []byte) []byte {
	return tabline.AppendLine(b, CmdVersion, strconv.Itoa(Major), strconv.Itoa(minor))
}

// AppendOK appends that user may log in.
func AppendOK(b []byte, id uint32, user string) []byte {
	return appendReply(b, "OK", id, "user="+user)
}

// Proxy is another server, to which imap-login hands the session on.
type Proxy struct {
	Host     netip.AddrPort
	Password string // the user's own, with which imap-login logs in there
}

// proxyTimeout is how long imap-login waits for that server, in seconds.
const proxyTimeout = 5

// AppendProxied appends that user may log in, and that the session is to be handed on.
// Dovecot knows the fields as those of a passdb (its manual, "Proxy Settings"); its own
// server adds nologin and pass. They are imap-login's alone: filtermail-out, which takes every OK
// for a right password, is never sent them.
func AppendProxied(b []byte, id uint32, user string, p Proxy) []byte {
	return appendReply(b, "OK", id, "user="+user, "nologin", "proxy",
		"host="+p.Host.Addr().String(), "port="+strconv.Itoa(int(p.Host.Port())),
		"proxy_timeout="+strconv.Itoa(proxyTimeout), "pass="+p.Password)
}

// Failure says why a login failed.
type Failure struct {
	User      string // as the client wrote it; empty if that is not known
	Temporary bool   // a fault of the server, not of the password
	Code      string // of Dovecot's (AUTH_CLIENT_FAIL_CODE_…), or empty
	Reason    string // for the user, or empty: imap-login then has words of its own
}

// codeTemporary has imap-login answer "[UNAVAILABLE]", not that the password is
// wrong; but with its own words, whatever the reason (client_auth_handle_reply).
const codeTemporary = "temp_fail"

// unavailable is the same response code (RFC 5530 §3) before words of ours: what begins
// with "[" imap-login takes as it is (imap_client_auth_result).
const unavailable = "[UNAVAILABLE] "

// CodeInvalidBase64 has imap-login answer BAD.
const CodeInvalidBase64 = "invalid_base64"

// AppendFail appends that a login failed.
func AppendFail(b []byte, id uint32, f Failure) []byte {
	fields := make([]string, 0, 3)
	if f.User != "" {
		fields = append(fields, "user="+f.User)
	}
	switch {
	case f.Temporary && f.Reason != "":
		f.Reason = unavailable + f.Reason
	case f.Temporary:
		fields = append(fields, "code="+codeTemporary)
	case f.Code != "":
		fields = append(fields, "code="+f.Code)
	}
	if f.Reason != "" {
		fields = append(fields, "reason="+f.Reason)
	}
	return appendReply(b, "FAIL", id, fields...)
}

// AppendChallenge appends PLAIN's challenge, which is empty.
func AppendChallenge(b []byte, id uint32) []byte { return appendReply(b, "CONT", id, "") }

// AppendUser appends whose mailbox a REQUEST or a USER has found.
func AppendUser(b []byte, id uint32, user string) []byte { return appendReply(b, "USER", id, user) }

// AppendPass appends that there is such a user. No password is told.
func AppendPass(b []byte, id uint32, user string) []byte {
	return appendReply(b, "PASS", id, "user="+user)
}

// AppendNotFound appends that there is no such user.
func AppendNotFound(b []byte, id uint32) []byte { return appendReply(b, "NOTFOUND", id) }

// AppendFault appends that a look-up failed: not that there is no such user.
func AppendFault(b []byte, id uint32) []byte { return appendReply(b, "FAIL", id) }

// AppendListed appends one user of a LIST.
func AppendListed(b []byte, id uint32, user string) []byte { return appendReply(b, "LIST", id, user) }

// AppendDone appends the end of a LIST.
func AppendDone(b []byte, id uint32, failed bool) []byte {
	how := ""
	if failed {
		how = "fail"
	}
	return appendReply(b, "DONE", id, how)
}

func appendReply(b []byte, word string, id uint32, fields ...string) []byte {
	b = append(append(b, word...), '\t')
	b = strconv.AppendUint(b, uint64(id), 10)
	for _, f := range fields {
		b = tabline.AppendField(append(b, '\t'), f)
	}
	return append(b, '\n')
}

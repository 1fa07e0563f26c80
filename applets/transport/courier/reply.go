package courier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"chatmaild/applets/transport/dial"
	"chatmaild/applets/transport/route"
	"chatmaild/applets/transport/smtpout"
)

// parse reads an SMTP reply of one line, as mxdeliv passes it on. Its code is valid.
func parse(line string) smtpout.Reply {
	code, text, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(code)
	if err != nil {
		n = 451
	}
	r := smtpout.Reply{Code: n, Text: text}
	status, rest, _ := strings.Cut(text, " ")
	digits := strings.Split(status, ".")
	if len(digits) != 3 || digits[0] != code[:1] {
		return r
	}
	for i, d := range digits {
		if r.Status[i], err = strconv.Atoi(d); err != nil || len(d) > 3 {
			return smtpout.Reply{Code: n, Text: text}
		}
	}
	r.Text = rest
	return r
}

// failure is the reply when no host had one.
func failure(err error) smtpout.Reply {
	var f *route.Failure
	if errors.As(err, &f) {
		r := smtpout.Reply{Code: 451, Status: [3]int{4, 4, 3}, Text: f.Text}
		if f.Permanent {
			r.Code = 550
		}
		subject, detail, _ := strings.Cut(f.Status, ".")
		r.Status[0] = r.Code / 100
		r.Status[1], _ = strconv.Atoi(subject)
		r.Status[2], _ = strconv.Atoi(detail)
		return r
	}
	status := [3]int{4, 4, 1}
	switch {
	case errors.Is(err, smtpout.ErrNoTLS):
		status = [3]int{4, 7, 4}
	case errors.Is(err, errPolicy):
		status = [3]int{4, 7, 5}
	}
	return smtpout.Reply{Code: 451, Status: status, Text: oneLine(err.Error())}
}

// permanent reports whether the DNS says that the host cannot have mail.
func permanent(err error) bool {
	var f *route.Failure
	return errors.As(err, &f) && f.Permanent
}

// maxText is how much of an error is in a reply, in bytes.
const maxText = 400

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), maxText)]
}

// httpsReason is why a message was not delivered by HTTPS, in such words.
func httpsReason(status int, err error) string {
	if err != nil {
		return Reason(err)
	}
	return fmt.Sprintf("the answer is %d %s", status, http.StatusText(status))
}

// Reason is why a host did not answer, in a few words that hold no address and nothing that
// the host wrote.
func Reason(err error) string {
	var f *route.Failure
	var invalid *tls.CertificateVerificationError
	var host x509.HostnameError
	var timeout net.Error
	switch {
	case errors.As(err, &f):
		return f.Text
	case errors.As(err, &invalid), errors.As(err, &host):
		return "its certificate is not valid"
	case errors.Is(err, smtpout.ErrNoTLS):
		return "it does not offer STARTTLS"
	case errors.Is(err, dial.ErrNoAddress):
		return "it has no address that can be reached from here"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses connections"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to it"
	case errors.Is(err, dial.ErrLost):
		return "nothing gets through to it any more"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	default:
		return "the connection or the protocol failed"
	}
}

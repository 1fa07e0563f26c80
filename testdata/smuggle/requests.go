package smuggle

const (
	request      = "Secure-Join: vc-request\r\n"
	requestType  = "multipart/mixed; boundary=\"" + good + "\""
	requestField = request + "Secure-Join-Invitenumber: Tq4R8wYp0sLmN2vB\r\n"
	textType     = "Content-Type: text/plain; charset=utf-8\r\n"
)

// join is an attempt with a SecureJoin request, whose only part has this header and
// content; then comes more.
func join(name, value, before, header, content, after string) attempt {
	return attempt{name: name, change: func(l *letter) {
		*l = letter{top: requestField, contentType: value}
		l.body = before + "--" + good + "\r\n" + header + "\r\n" + content + "--" + good + "--\r\n" + after
	}}
}

// requests hide the text in a SecureJoin request.
var requests = []attempt{
	join("request with text", requestType, "", textType, request+line, ""),
	join("request with a preamble", requestType, line, textType, request, ""),
	join("request and other boundary", requestType+`; x="; boundary=`+evil+`; y="`, inside, textType, request, ""),
	join("request and other boundary last", requestType+"; boundary="+evil, inside, textType, request, ""),
	join("request with a name", requestType, "", "Content-Type: text/plain; name=\""+Text+"\"\r\n", request, ""),
	join("request with a field", requestType, "", textType+"Subject: "+line, request, ""),
	join("request in html", requestType, "", "Content-Type: text/html\r\n", request+line, ""),
	join("request with another charset", requestType, "", "Content-Type: text/plain; charset=utf-7\r\n", request, ""),
	join("request alternative", "multipart/alternative; boundary="+good, "", textType, request, ""),
	join("request with an epilogue", requestType, "", textType, request, line),
	join("request with a second part", requestType, "", textType, request+"--"+good+"\r\n"+text, ""),
	{name: "request in plain text with more", change: func(l *letter) { *l = plain(requestField, request+line) }},
	{name: "request in plain text with a file", change: func(l *letter) {
		*l = plain(requestField+"Content-Disposition: attachment; filename=\""+Text+"\"\r\n", request)
	}},
	{name: "setup message to another", change: func(l *letter) {
		l.top, l.contentType = "Autocrypt-Setup-Message: v1\r\n", requestType
		l.version, l.middle, l.data = textType, line, "Content-Type: application/autocrypt-setup\r\n"
	}},
}

const (
	reportType = "multipart/report; report-type=delivery-status; boundary=\"" + good + "\""
	status     = "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.invalid\r\n\r\n"
)

// returned is the last part of a report.
const returned = "--" + good + "\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <x@y.invalid>\r\n"

// report is an attempt with a delivery report: a type, the notice, and the parts that
// follow it.
func report(name, value, notice, rest string) attempt {
	return attempt{name: name, report: true, change: func(l *letter) {
		*l = letter{contentType: value}
		l.body = "--" + good + "\r\nContent-Type: text/plain\r\n\r\n" + notice + "--" + good + "\r\n" + rest + "--" + good + "--\r\n"
	}}
}

// reports hide the text in a delivery report, or are none.
var reports = []attempt{
	{name: "report with a sender", change: func(l *letter) {
		report("", reportType, line, status+returned).change(l)
		l.top = "Auto-Submitted: auto-replied\r\n"
	}},
	report("report of another type", "multipart/report; report-type=disposition-notification; boundary="+good, line, status+returned),
	report("report without a type", "multipart/report; boundary="+good, line, status+returned),
	report("report that is mixed", "multipart/mixed; boundary="+good, line, status+returned),
	report("report without a status", reportType, line, text),
	report("report with text for a status", reportType, "It failed.\r\n", "Content-Type: message/delivery-status\r\n\r\n"+line),
	report("report with a fourth part", reportType, "It failed.\r\n", status+"--"+good+"\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <x@y.invalid>\r\n--"+good+"\r\n"+text),
	report("report with a text for a copy", reportType, "It failed.\r\n", status+"--"+good+"\r\n"+text),
	report("report of a message in the clear", reportType, "It failed.\r\n", status+"--"+good+"\r\nContent-Type: message/rfc822\r\n\r\nFrom: <x@y.invalid>\r\nMessage-ID: <x@y.invalid>\r\n\r\n"+line),
	report("report with a text after the header", reportType, "It failed.\r\n", status+"--"+good+"\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <x@y.invalid>\r\n\r\n"+line),
	report("report with another boundary", reportType+`; x="; boundary=`+evil+`"`, inside, status+returned),
	report("report without a copy", reportType, line, status),
	report("report without a Message-ID", reportType, line, status+"--"+good+"\r\nContent-Type: text/rfc822-headers\r\n\r\nTo: x\r\n"),
	report("report in capitals", "multipart/report; report-type=Delivery-Status; boundary="+good, line, status+returned),
}

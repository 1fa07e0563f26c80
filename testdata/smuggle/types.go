package smuggle

// contentType is an attempt with another Content-Type, and the text in a part that
// begins where another reader sees the boundary.
func contentType(name, value string) attempt {
	return attempt{name: name, change: func(l *letter) { l.contentType, l.before = value, inside }}
}

const (
	encryptedType = "multipart/encrypted; " + protocol + "; "
	goodBoundary  = `boundary="` + good + `"`
	evilBoundary  = `boundary="` + evil + `"`
)

// types hide another boundary, or another type, in the Content-Type.
var types = []attempt{
	contentType("semicolon in quotes", encryptedType+goodBoundary+`; x="; boundary=`+evil+`; y="`),
	contentType("semicolon in quotes before", encryptedType+`x="; boundary=`+evil+`; y="; `+goodBoundary),
	contentType("semicolon in a known parameter", encryptedType+goodBoundary+`; charset="utf-8; boundary=`+evil+`"`),
	contentType("semicolon in the protocol", `multipart/encrypted; protocol="application/pgp-encrypted; boundary=`+evil+`"; `+goodBoundary),
	contentType("boundary twice", encryptedType+goodBoundary+"; "+evilBoundary),
	contentType("boundary twice evil first", encryptedType+evilBoundary+"; "+goodBoundary),
	contentType("boundary twice in another case", encryptedType+goodBoundary+`; BOUNDARY="`+evil+`"`),
	contentType("encoded word parameter", encryptedType+goodBoundary+"; =?utf-8?q?boundary=3D"+evil+"?="),
	contentType("encoded word in quotes", encryptedType+goodBoundary+`; x="=?utf-8?q?=22=3B_boundary=3D`+evil+`?="`),
	contentType("encoded word in base64", encryptedType+goodBoundary+`; x="=?utf-8?b?IjsgYm91bmRhcnk9ZXZpbDBmNGI3ZjNl?="`),
	contentType("encoded word boundary", encryptedType+`boundary="=?utf-8?q?`+evil+`?="`),
	contentType("encoded word type", "=?utf-8?q?multipart/mixed=3B_boundary=3D"+evil+"?=; "+encryptedType+goodBoundary),
	contentType("pieces", encryptedType+`boundary*0="evil0f"; boundary*1="4b7f3e"; `+goodBoundary),
	contentType("pieces alone", encryptedType+`boundary*0="evil0f"; boundary*1="4b7f3e"`),
	contentType("pieces with charset", encryptedType+"boundary*0*=utf-8''evil0f; boundary*1=4b7f3e; "+goodBoundary),
	contentType("charset", encryptedType+"boundary*=utf-8''%65vil0f4b7f3e; "+goodBoundary),
	contentType("charset alone", encryptedType+"boundary*=utf-8''%65vil0f4b7f3e"),
	contentType("backslash", encryptedType+goodBoundary+`; x="\"; boundary=`+evil+`; y="`),
	contentType("backslash in the boundary", encryptedType+`boundary="\evil0f4b7f3e"`),
	contentType("comment", encryptedType+goodBoundary+" (; boundary="+evil+")"),
	contentType("comment in the type", "multipart/encrypted (; boundary="+evil+"); "+protocol+"; "+goodBoundary),
	contentType("quote not closed", encryptedType+goodBoundary+`; x="; boundary=`+evil),
	contentType("parameter without value", encryptedType+goodBoundary+"; x; boundary="+evil),
	contentType("spaces around the equals sign", encryptedType+goodBoundary+"; boundary = "+evil),
	contentType("fold in the boundary", encryptedType+"boundary=\"evil\r\n 0f4b7f3e\""),
	contentType("single quotes", encryptedType+"boundary='"+evil+"'"),
	contentType("eight bits", encryptedType+goodBoundary+"; x=\"\xe2\x80\x9c; boundary="+evil+"\""),
	contentType("list", encryptedType+goodBoundary+", multipart/mixed; boundary="+evil),
	contentType("mixed", "multipart/mixed; "+protocol+"; "+evilBoundary),
	contentType("alternative", "multipart/alternative; "+evilBoundary),
	contentType("signed", `multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"; `+evilBoundary),
	contentType("no boundary", "multipart/encrypted; "+protocol),
	contentType("s/mime", `multipart/encrypted; protocol="application/pkcs7-mime"; `+evilBoundary),
	{name: "no type at all", change: func(l *letter) { l.top, l.body = "X-", line }},
	{name: "type twice", badHeader: true, change: func(l *letter) { l.top, l.before = "Content-Type: text/plain\r\n", line }},
	{name: "type twice in another case", badHeader: true, change: func(l *letter) { l.top, l.before = "content-type: text/plain\r\n", line }},
	{name: "space before the colon", badHeader: true, change: func(l *letter) { l.top, l.before = "Content-Type : text/plain\r\n", line }},
	{name: "line without a colon", badHeader: true, change: func(l *letter) { l.top = line }},
	{name: "line of white space", badHeader: true, change: func(l *letter) { l.top = "X-A: b\r\n \r\n" + line }},
	{name: "transfer encoding", change: func(l *letter) {
		l.top, l.before = "Content-Transfer-Encoding: quoted-printable\r\n", line
	}},
	{name: "encoded transfer encoding", change: func(l *letter) {
		l.top = "Content-Transfer-Encoding: =?utf-8?q?base64?=\r\n"
	}},
	{name: "name of a file at the top", change: func(l *letter) {
		l.top = "Content-Disposition: attachment; filename=\"" + Text + "\"\r\n"
	}},
	{name: "description at the top", change: func(l *letter) { l.top = "Content-Description: " + line }},
}

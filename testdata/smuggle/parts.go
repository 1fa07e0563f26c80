package smuggle

import "strings"

// parts hide the text around or between the parts, and in their headers.
var parts = []attempt{
	{name: "preamble", change: func(l *letter) { l.before = line }},
	{name: "preamble after a known one", change: func(l *letter) {
		l.before = "This is a multi-part message in MIME format.\r\n" + line
	}},
	{name: "known preamble with more", change: func(l *letter) {
		l.before = "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156) " + line
	}},
	{name: "preamble that looks like a header", change: func(l *letter) { l.before = text + "\r\n" }},
	{name: "epilogue", change: func(l *letter) { l.after = line }},
	{name: "epilogue part", change: func(l *letter) { l.after = "--" + good + "\r\n" + text + "--" + good + "--\r\n" }},
	{name: "third part", change: func(l *letter) { l.armor += "--" + good + "\r\n" + text }},
	{name: "part before", change: func(l *letter) { l.before = "--" + good + "\r\n" + text }},
	{name: "part between", change: func(l *letter) { l.middle += "--" + good + "\r\n" + text }},
	{name: "nested", change: func(l *letter) {
		l.data, l.armor = "Content-Type: multipart/mixed; boundary="+evil+"\r\n", inside
	}},
	{name: "longer delimiter", change: func(l *letter) { l.middle += "--" + good + "x\r\n" + text }},
	{name: "prefix of a delimiter", change: func(l *letter) {
		l.boundary, l.before = good+good, "--"+good+"\r\n"+text
		l.contentType = "multipart/encrypted; " + protocol + "; boundary=" + good
	}},
	{name: "delimiter with white space", change: func(l *letter) { l.middle += "--" + good + " \r\n" + text }},
	{name: "delimiter with a tab", change: func(l *letter) { l.middle += "--" + good + "\t\r\n" + text }},
	{name: "end in the middle", change: func(l *letter) { l.middle += "--" + good + "--\r\n" + line }},
	{name: "end with white space", change: func(l *letter) { l.armor += "--" + good + "-- \r\n" + line }},
	{name: "field in a part", change: func(l *letter) { l.version += "Subject: " + line }},
	{name: "field with the other delimiter", change: func(l *letter) {
		l.contentType += `; x="; boundary=EVIL; y="`
		l.version += "--EVIL: x\r\nSubject: " + line
	}},
	{name: "long field in a part", change: func(l *letter) { l.data += "X-Note: " + strings.Repeat(Text+" ", 30) + "\r\n" }},
	{name: "description", change: func(l *letter) { l.data += "Content-Description: " + line }},
	{name: "encoded description", change: func(l *letter) {
		l.data += "Content-Description: =?utf-8?q?" + strings.ReplaceAll(Text, " ", "_") + "?=\r\n"
	}},
	{name: "name of a file", change: func(l *letter) { l.data += "Content-Disposition: inline; filename=\"" + Text + "\"\r\n" }},
	{name: "name of a file in pieces", change: func(l *letter) {
		l.data += "Content-Disposition: inline; filename*=utf-8''" + strings.ReplaceAll(Text, " ", "%20") + "\r\n"
	}},
	{name: "name of the type", change: func(l *letter) { l.data = "Content-Type: application/octet-stream; name=\"" + Text + "\"\r\n" }},
	{name: "identifier", change: func(l *letter) { l.data += "Content-ID: <" + Text + ">\r\n" }},
	{name: "parameter of a part", change: func(l *letter) { l.data = "Content-Type: application/octet-stream; x=\"" + Text + "\"\r\n" }},
	{name: "line in the header of a part", change: func(l *letter) { l.data += line }},
	{name: "type of a part twice", change: func(l *letter) { l.data += "Content-Type: text/plain\r\n"; l.armor = line }},
	{name: "data as text", change: func(l *letter) { l.data, l.armor = "Content-Type: text/plain\r\n", line }},
	{name: "data without a type", change: func(l *letter) { l.data, l.armor = "", line }},
	{name: "data in base64", change: func(l *letter) {
		l.data += "Content-Transfer-Encoding: base64\r\n"
		l.armor = "TWVldCBtZSBhdCB0aGUgb2xkIG1pbGw=\r\n"
	}},
}

// texts hide the text in the parts themselves.
var texts = []attempt{
	{name: "version and text", change: func(l *letter) { l.middle += line }},
	{name: "version with a comment", change: func(l *letter) { l.middle = "Version: 1 (" + Text + ")\r\n" }},
	{name: "before the armor", change: func(l *letter) { l.armor = line + l.armor }},
	{name: "after the armor", change: func(l *letter) { l.armor += line }},
	{name: "no armor", change: func(l *letter) { l.armor = line }},
	{name: "armor header", change: func(l *letter) { l.armor = header(l.armor, "Comment: "+Text) }},
	{name: "armor version", change: func(l *letter) { l.armor = header(l.armor, "Version: GnuPG v2 "+Text) }},
	{name: "armor version alone", change: func(l *letter) { l.armor = header(l.armor, "Version: "+Text) }},
	{name: "armor header unknown", change: func(l *letter) { l.armor = header(l.armor, "Note: "+Text) }},
	{name: "armor headers twice", change: func(l *letter) {
		l.armor = header(l.armor, "Version: GnuPG v1\r\nVersion: GnuPG v2\r\nComment: "+Text)
	}},
	{name: "second armor", change: func(l *letter) {
		l.armor += "-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\n" + line + "-----END PGP SIGNATURE-----\r\n"
	}},
	{name: "clear signed", change: func(l *letter) { l.armor = "-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\n" + line }},
	{name: "literal packet", change: func(l *letter) {
		l.armor = "-----BEGIN PGP MESSAGE-----\r\n\r\nyx1iAAAAAABNZWV0IG1lIGF0IHRoZSBvbGQgbWlsbA==\r\n-----END PGP MESSAGE-----\r\n"
	}},
	{name: "plain text", change: func(l *letter) { *l = plain("", line) }},
}

// header puts armor headers into an armor.
func header(armor, lines string) string {
	return strings.Replace(armor, "MESSAGE-----\r\n", "MESSAGE-----\r\n"+lines+"\r\n", 1)
}

// plain is a letter that is not a multipart.
func plain(top, content string) letter {
	return letter{top: top, contentType: "text/plain; charset=utf-8", body: content}
}

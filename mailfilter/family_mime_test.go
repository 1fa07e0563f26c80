package mailfilter_test

import "strings"

const (
	coreDelimiter = "--" + coreBoundary
	coreType      = "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; \r\n\tboundary=\"" + coreBoundary + "\"\r\n"
	dataType      = "Content-Type: application/octet-stream\r\n"
	versionPart   = "Version: 1\r\n"
	sevenBit      = "Content-Transfer-Encoding: 7bit\r\n"
)

// partFixtures differ in the parts of multipart/encrypted.
func partFixtures(s samples) []fixture {
	good := s.good()
	end := coreDelimiter + "--\r\n"
	textPart := coreDelimiter + "\r\nContent-Type: text/plain\r\n\r\n" + fixtureText + "\r\n"
	fx := func(name, verdict, why string, edits ...string) fixture {
		return fixture{name: name, why: why, out: verdict, in: verdict, message: s.edit(good, edits...)}
	}
	return []fixture{
		fx("epilogue-empty-lines", pass, "Empty lines after the last delimiter.", end, end+"\r\n\r\n"),
		fx("boundary-token", pass, "A boundary without quotes.", "\""+coreBoundary+"\"", coreBoundary),
		fx("part-description", pass, "Other fields in the header of a part.", dataType, "Content-Description: OpenPGP encrypted message\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\";\r\n"),
		fx("part-type-case", pass, "The case of a type does not matter.", dataType, "content-type: Application/Octet-Stream\r\n"),
		fx("version-lines-around", pass, "Empty lines around the version.", versionPart, "\r\n"+versionPart+"\r\n"),

		fx("third-part", bare, "A text beside the encrypted part.", end, textPart+end),
		fx("text-part-first", bare, "A text before the version part.", coreDelimiter+"\r\nContent-Type: application/pgp-encrypted", textPart+coreDelimiter+"\r\nContent-Type: application/pgp-encrypted"),
		{name: "one-part", why: "The encrypted part alone.", out: bare, in: bare,
			message: coreHeader + coreDelimiter + "\r\n" + dataType + "\r\n" + s.goodArmor() + end},
		{name: "no-parts", why: "Nothing but the end.", out: bare, in: bare, message: coreHeader + end},
		{name: "no-body", why: "A header alone.", out: bare, in: bare, message: coreHeader},
		{name: "cleartext-body", why: "A header that promises, and a text.", out: bare, in: bare, message: coreHeader + fixtureText},
		{name: "order", why: "The parts in the wrong order.", out: bare, in: bare,
			message: coreHeader + coreDelimiter + "\r\n" + dataType + "\r\n" + s.goodArmor() + coreDelimiter + "\r\nContent-Type: application/pgp-encrypted\r\n\r\n" + versionPart + end},
		fx("no-end", bare, "The last delimiter is missing.", end, ""),
		fx("end-before-data", bare, "What follows the end is not part of the message to one reader, and the message to another.", coreDelimiter+"\r\n"+dataType, end+coreDelimiter+"\r\n"+dataType),
		fx("epilogue-text", bare, "Text after the last delimiter.", end, end+fixtureText),
		fx("epilogue-part", bare, "A part after the last delimiter.", end, end+textPart+end),
		{name: "preamble-short", why: "A text before the first delimiter.", out: bare, in: bare,
			message: s.edit(good, "\r\n"+coreDelimiter+"\r\nContent-Type: application/pgp-encrypted", fixtureText+coreDelimiter+"\r\nContent-Type: application/pgp-encrypted")},
		fx("preamble-long", bare, "A letter before the first delimiter.", "\r\n"+coreDelimiter+"\r\nContent-Type: application/pgp-encrypted", strings.Repeat(fixtureText, 12)+coreDelimiter+"\r\nContent-Type: application/pgp-encrypted"),

		{name: "preamble-bare-cr", why: "A CR alone makes a delimiter for some.", out: bare, in: bare,
			message: s.edit(good, "\r\n"+coreDelimiter+"\r\nContent-Type: application/pgp-encrypted", "x\r"+coreDelimiter+"\rContent-Type: text/plain\r\r\n"+coreDelimiter+"\r\nContent-Type: application/pgp-encrypted")},
		{name: "preamble-nul", why: "A NUL before the first delimiter.", out: bare, in: bare,
			message: s.edit(good, "\r\n"+coreDelimiter+"\r\nContent-Type: application/pgp-encrypted", "x\x00\r\n"+coreDelimiter+"\r\nContent-Type: application/pgp-encrypted")},
		fx("delimiter-padded", bare, "White space after a delimiter: padding to some, content to others.", coreDelimiter+"\r\n"+dataType, coreDelimiter+" \r\n"+dataType),
		fx("delimiter-longer", bare, "A line that begins like the delimiter.", coreDelimiter+"\r\n"+dataType, coreDelimiter+"x\r\n"+dataType),
		fx("end-padded", bare, "White space after the last delimiter.", end, coreDelimiter+"-- \r\n"),
		fx("other-delimiter", bare, "A delimiter that the header does not name.", coreDelimiter+"\r\n"+dataType, "--other\r\n"+dataType),
		fx("end-without-crlf", bare, "The message ends within a line.", end, coreDelimiter+"--"),
		fx("delimiter-lf", bare, "A delimiter that ends with LF alone.", coreDelimiter+"\r\n"+dataType, coreDelimiter+"\n"+dataType),

		fx("version-2", bare, "No such version.", versionPart, "Version: 2\r\n"),
		fx("version-none", bare, "An empty version part.", versionPart, ""),
		fx("version-and-text", bare, "Text after the version.", versionPart, versionPart+fixtureText),
		fx("version-twice", bare, "The version twice.", versionPart, versionPart+versionPart),
		fx("version-comment", bare, "A word after the version.", versionPart, "Version: 1 (meet me)\r\n"),
		fx("version-case", bare, "The version in lower case.", versionPart, "version: 1\r\n"),

		fx("data-text", bare, "The data part as text.", dataType, "Content-Type: text/plain\r\n"),
		fx("data-no-type", bare, "A part without a type is text.", dataType, ""),
		fx("data-type-twice", bare, "Two types of one part.", dataType, "Content-Type: text/plain\r\n"+dataType),
		fx("data-base64", bare, "An encoding: the armor is not what the reader gets.", dataType+sevenBit, dataType+"Content-Transfer-Encoding: base64\r\n"),
		fx("data-quoted-printable", bare, "An encoding that may change the armor.", dataType+sevenBit, dataType+"Content-Transfer-Encoding: quoted-printable\r\n"),
		fx("data-encoding-unknown", bare, "An encoding that no one knows.", dataType+sevenBit, dataType+"Content-Transfer-Encoding: x-rot13\r\n"),
		fx("data-encoding-comment", bare, "An encoding with a comment.", dataType+sevenBit, dataType+"Content-Transfer-Encoding: 7bit (base64)\r\n"),
		fx("data-encoding-twice", bare, "Two encodings of one part.", dataType+sevenBit, dataType+sevenBit+sevenBit),
		fx("data-nested", bare, "A multipart where the data belong.", dataType, "Content-Type: multipart/mixed; boundary=\"inner\"\r\n"),
		fx("data-header-endless", bare, "A letter in the header of a part.", dataType, dataType+strings.Repeat("Content-Description: Meet me at the old mill.\r\n", 100)),
		fx("data-header-text", bare, "A line in the header of a part that is no field.", dataType, dataType+"Meet me\r\n"),
		fx("version-nested", bare, "A multipart where the version belongs.", "Content-Type: application/pgp-encrypted", "Content-Type: multipart/mixed; boundary=\"inner\""),
		fx("version-type", bare, "A version part of another type.", "Content-Type: application/pgp-encrypted", "Content-Type: text/plain"),
	}
}

// headerFixtures differ in the header of an encrypted message, but for From.
func headerFixtures(s samples) []fixture {
	good := s.good()
	fx := func(name, verdict, why string, edits ...string) fixture {
		return fixture{name: name, why: why, out: verdict, in: verdict, message: s.edit(good, edits...)}
	}
	ct := func(name, verdict, why, value string) fixture {
		return fx(name, verdict, why, coreType, "Content-Type: "+value+"\r\n")
	}
	const protocol, boundary = "protocol=\"application/pgp-encrypted\"", "boundary=\"" + coreBoundary + "\""
	bigHeader := strings.Repeat("X-Filler: "+strings.Repeat("x", 88)+"\r\n", 1400)
	return []fixture{
		ct("type-compact", pass, "No white space.", "multipart/encrypted;"+protocol+";"+boundary),
		ct("type-extra", pass, "Another parameter, and a semicolon at the end.", "multipart/encrypted; charset=utf-8; "+protocol+"; "+boundary+";"),
		fx("encoding-7bit", pass, "An encoding that changes nothing.", "Chat-Version", "Content-Transfer-Encoding: 7bit\r\nChat-Version"),
		fx("no-mime-version", pass, "MIME-Version is left out by some and looked at by none.", "MIME-Version: 1.0\r\n", ""),

		fx("type-twice", head, "Two content types: each reader believes another one.", coreType, "Content-Type: text/plain\r\n"+coreType),
		fx("type-twice-same", head, "Even if they say the same.", coreType, coreType+coreType),
		fx("type-twice-case", head, "In another case.", coreType, coreType+"content-TYPE: text/html\r\n"),
		fx("encoding-twice", head, "Two encodings.", "Chat-Version", sevenBit+sevenBit+"Chat-Version"),
		fx("type-spaced-colon", head, "White space before the colon: a field to some.", coreType, "Content-Type : text/html\r\n"+coreType),
		fx("type-none", bare, "No content type: it is text.", coreType, ""),
		fx("encoding-base64", bare, "An encoding of the whole.", "Chat-Version", "Content-Transfer-Encoding: base64\r\nChat-Version"),
		ct("type-params", bare, "More parameters than anyone needs, to use up time.", "multipart/encrypted; "+strings.Repeat("a=b; ", 20)+protocol+"; "+boundary),
		ct("type-params-many", bare, "The same, each with its own name.", "multipart/encrypted; a=b; c=d; e=f; g=h; i=j; k=l; m=n; o=p; q=r; s=t; u=v; w=x; y=z; a1=b; c1=d; e1=f; "+protocol+"; "+boundary),
		ct("type-mixed", bare, "Another multipart.", "multipart/mixed; "+protocol+"; "+boundary),
		ct("type-text", bare, "Text with the parameters of the other.", "text/plain; "+protocol+"; "+boundary),
		ct("type-comment", bare, "A comment where some see the type.", "multipart/encrypted (text/plain); "+protocol+"; "+boundary),
		ct("type-comment-first", bare, "A comment before the type.", "(x) multipart/encrypted; "+protocol+"; "+boundary),
		ct("type-list", bare, "Two types in one field.", "text/plain, multipart/encrypted; "+protocol+"; "+boundary),
		ct("type-broken", bare, "A type without a subtype.", "multipart; "+protocol+"; "+boundary),
		ct("type-encoded-word", bare, "An encoded word, which some decode.", "=?utf-8?q?multipart/encrypted?=; "+protocol+"; "+boundary),
		ct("boundary-none", bare, "No boundary.", "multipart/encrypted; "+protocol),
		ct("boundary-empty", bare, "An empty boundary.", "multipart/encrypted; "+protocol+"; boundary=\"\""),
		ct("boundary-twice", bare, "Two boundaries.", "multipart/encrypted; "+protocol+"; boundary=\"other\"; "+boundary),
		ct("boundary-rfc2231", bare, "A boundary in pieces (RFC 2231) beside a whole one.", "multipart/encrypted; "+protocol+"; boundary*0=\"oth\"; boundary*1=\"er\"; "+boundary),
		ct("boundary-rfc2231-alone", bare, "A boundary in pieces alone.", "multipart/encrypted; "+protocol+"; boundary*0=\""+coreBoundary+"\""),
		ct("boundary-charset", bare, "A boundary with a charset (RFC 2231).", "multipart/encrypted; "+protocol+"; boundary*=utf-8''"+coreBoundary),
		ct("boundary-escaped", bare, "A backslash in the boundary.", "multipart/encrypted; "+protocol+"; boundary=\"\\"+coreBoundary+"\""),
		ct("boundary-comment", bare, "A comment after the boundary.", "multipart/encrypted; "+protocol+"; "+boundary+" (boundary=\"other\")"),
		ct("boundary-unclosed", bare, "A quote that does not end.", "multipart/encrypted; "+protocol+"; boundary=\""+coreBoundary),
		ct("boundary-equals", bare, "A boundary that needs quotes and has none.", "multipart/encrypted; "+protocol+"; boundary="+coreBoundary+"=x"),
		ct("boundary-long", bare, "A boundary beyond 70 octets.", "multipart/encrypted; "+protocol+"; boundary=\""+strings.Repeat("b", 71)+"\""),
		ct("boundary-space", bare, "A boundary that ends with a space.", "multipart/encrypted; "+protocol+"; boundary=\""+coreBoundary+" \""),
		ct("protocol-none", pass, "No protocol. RFC 1847 wants it, but the first part says the same.", "multipart/encrypted; "+boundary),
		ct("protocol-other", bare, "The protocol of something else.", "multipart/encrypted; protocol=\"application/pkcs7-mime\"; "+boundary),
		ct("protocol-twice", bare, "Two protocols.", "multipart/encrypted; "+protocol+"; "+protocol+"; "+boundary),

		fx("line-blank", head, "A line of white space continues the field, or ends the header.", "Chat-Version", "X-A: b\r\n \r\nChat-Version"),
		fx("line-colonless", head, "A line without a colon ends the header for some.", "Chat-Version", "Meet me at the old mill\r\nChat-Version"),
		fx("line-mbox", head, "A line as in a mailbox file.", "From: <alice", "From alice Sat Nov 14 09:30:00 2026\r\nFrom: <alice"),
		fx("line-first-folded", head, "The header begins with a continuation.", "From: <alice", " x\r\nFrom: <alice"),
		fx("line-name-control", head, "A name that is none.", "Chat-Version", "X A: b\r\nChat-Version"),
		fx("line-nul", head, "A NUL ends the line for some.", "Chat-Version", "X-A: b\x00c\r\nChat-Version"),
		fx("line-bare-lf", head, "LF alone ends the line for some.", "Chat-Version", "X-A: b\nChat-Version"),
		fx("line-bare-cr", head, "CR alone ends the line for some.", "Chat-Version", "X-A: b\rContent-Type: text/html\r\nChat-Version"),
		fx("line-vertical-tab", head, "A vertical tab ends the line for Python.", "Chat-Version", "X-A: b\x0bContent-Type: text/html\r\nChat-Version"),
		{name: "header-too-long", why: "A header beyond the limit.", out: head, in: head, message: bigHeader + good},
		{name: "header-fields", why: "More fields than anyone needs, to use up memory.", out: head, in: head, message: strings.Repeat("a:\r\n", 1000) + good},
		{name: "header-cut", why: "The message ends within a header line.", out: head, in: head, message: "From: <alice@chat.example>\r\nSubject: x"},
	}
}

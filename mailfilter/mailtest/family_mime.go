package mailtest

import "strings"

const (
	CoreDelimiter = "--" + CoreBoundary
	coreType      = "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; \r\n\tboundary=\"" + CoreBoundary + "\"\r\n"
	DataType      = "Content-Type: application/octet-stream\r\n"
	versionPart   = "Version: 1\r\n"
	SevenBit      = "Content-Transfer-Encoding: 7bit\r\n"
)

// partFixtures differ in the parts of multipart/encrypted.
func partFixtures(s Samples) []Fixture {
	good := s.Good()
	end := CoreDelimiter + "--\r\n"
	textPart := CoreDelimiter + "\r\nContent-Type: text/plain\r\n\r\n" + Text + "\r\n"
	fx := func(name, verdict, why string, edits ...string) Fixture {
		return Fixture{Name: name, Why: why, Out: verdict, In: verdict, Message: s.Edit(good, edits...)}
	}
	return []Fixture{
		fx("epilogue-empty-lines", Pass, "Empty lines after the last delimiter.", end, end+"\r\n\r\n"),
		fx("boundary-token", Pass, "A boundary without quotes.", "\""+CoreBoundary+"\"", CoreBoundary),
		fx("part-description", Pass, "Other fields in the header of a part.", DataType, "Content-Description: OpenPGP encrypted message\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\";\r\n"),
		fx("part-type-case", Pass, "The case of a type does not matter.", DataType, "content-type: Application/Octet-Stream\r\n"),
		fx("version-lines-around", Pass, "Empty lines around the version.", versionPart, "\r\n"+versionPart+"\r\n"),

		fx("third-part", Unencrypted, "A text beside the encrypted part.", end, textPart+end),
		fx("text-part-first", Unencrypted, "A text before the version part.", CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted", textPart+CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted"),
		{Name: "one-part", Why: "The encrypted part alone.", Out: Unencrypted, In: Unencrypted,
			Message: CoreHeader + CoreDelimiter + "\r\n" + DataType + "\r\n" + s.GoodArmor() + end},
		{Name: "no-parts", Why: "Nothing but the end.", Out: Unencrypted, In: Unencrypted, Message: CoreHeader + end},
		{Name: "no-body", Why: "A header alone.", Out: Unencrypted, In: Unencrypted, Message: CoreHeader},
		{Name: "cleartext-body", Why: "A header that promises, and a text.", Out: Unencrypted, In: Unencrypted, Message: CoreHeader + Text},
		{Name: "order", Why: "The parts in the wrong order.", Out: Unencrypted, In: Unencrypted,
			Message: CoreHeader + CoreDelimiter + "\r\n" + DataType + "\r\n" + s.GoodArmor() + CoreDelimiter + "\r\nContent-Type: application/pgp-encrypted\r\n\r\n" + versionPart + end},
		fx("no-end", Unencrypted, "The last delimiter is missing.", end, ""),
		fx("end-before-data", Unencrypted, "What follows the end is not part of the message to one reader, and the message to another.", CoreDelimiter+"\r\n"+DataType, end+CoreDelimiter+"\r\n"+DataType),
		fx("epilogue-text", Unencrypted, "Text after the last delimiter.", end, end+Text),
		fx("epilogue-part", Unencrypted, "A part after the last delimiter.", end, end+textPart+end),
		{Name: "preamble-short", Why: "A text before the first delimiter.", Out: Unencrypted, In: Unencrypted,
			Message: s.Edit(good, "\r\n"+CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted", Text+CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted")},
		fx("preamble-long", Unencrypted, "A letter before the first delimiter.", "\r\n"+CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted", strings.Repeat(Text, 12)+CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted"),

		{Name: "preamble-bare-cr", Why: "A CR alone makes a delimiter for some.", Out: Unencrypted, In: Unencrypted,
			Message: s.Edit(good, "\r\n"+CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted", "x\r"+CoreDelimiter+"\rContent-Type: text/plain\r\r\n"+CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted")},
		{Name: "preamble-nul", Why: "A NUL before the first delimiter.", Out: Unencrypted, In: Unencrypted,
			Message: s.Edit(good, "\r\n"+CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted", "x\x00\r\n"+CoreDelimiter+"\r\nContent-Type: application/pgp-encrypted")},
		fx("delimiter-padded", Unencrypted, "White space after a delimiter: padding to some, content to others.", CoreDelimiter+"\r\n"+DataType, CoreDelimiter+" \r\n"+DataType),
		fx("delimiter-longer", Unencrypted, "A line that begins like the delimiter.", CoreDelimiter+"\r\n"+DataType, CoreDelimiter+"x\r\n"+DataType),
		fx("end-padded", Unencrypted, "White space after the last delimiter.", end, CoreDelimiter+"-- \r\n"),
		fx("other-delimiter", Unencrypted, "A delimiter that the header does not name.", CoreDelimiter+"\r\n"+DataType, "--other\r\n"+DataType),
		fx("end-without-crlf", Unencrypted, "The message ends within a line.", end, CoreDelimiter+"--"),
		fx("delimiter-lf", Unencrypted, "A delimiter that ends with LF alone.", CoreDelimiter+"\r\n"+DataType, CoreDelimiter+"\n"+DataType),

		fx("version-2", Unencrypted, "No such version.", versionPart, "Version: 2\r\n"),
		fx("version-none", Unencrypted, "An empty version part.", versionPart, ""),
		fx("version-and-text", Unencrypted, "Text after the version.", versionPart, versionPart+Text),
		fx("version-twice", Unencrypted, "The version twice.", versionPart, versionPart+versionPart),
		fx("version-comment", Unencrypted, "A word after the version.", versionPart, "Version: 1 (meet me)\r\n"),
		fx("version-case", Unencrypted, "The version in lower case.", versionPart, "version: 1\r\n"),

		fx("data-text", Unencrypted, "The data part as text.", DataType, "Content-Type: text/plain\r\n"),
		fx("data-no-type", Unencrypted, "A part without a type is text.", DataType, ""),
		fx("data-type-twice", Unencrypted, "Two types of one part.", DataType, "Content-Type: text/plain\r\n"+DataType),
		fx("data-base64", Unencrypted, "An encoding: the armor is not what the reader gets.", DataType+SevenBit, DataType+"Content-Transfer-Encoding: base64\r\n"),
		fx("data-quoted-printable", Unencrypted, "An encoding that may change the armor.", DataType+SevenBit, DataType+"Content-Transfer-Encoding: quoted-printable\r\n"),
		fx("data-encoding-unknown", Unencrypted, "An encoding that no one knows.", DataType+SevenBit, DataType+"Content-Transfer-Encoding: x-rot13\r\n"),
		fx("data-encoding-comment", Unencrypted, "An encoding with a comment.", DataType+SevenBit, DataType+"Content-Transfer-Encoding: 7bit (base64)\r\n"),
		fx("data-encoding-twice", Unencrypted, "Two encodings of one part.", DataType+SevenBit, DataType+SevenBit+SevenBit),
		fx("data-nested", Unencrypted, "A multipart where the data belong.", DataType, "Content-Type: multipart/mixed; boundary=\"inner\"\r\n"),
		fx("data-header-endless", Unencrypted, "A letter in the header of a part.", DataType, DataType+strings.Repeat("Content-Description: Meet me at the old mill.\r\n", 100)),
		fx("data-header-text", Unencrypted, "A line in the header of a part that is not a field.", DataType, DataType+"Meet me\r\n"),
		fx("version-nested", Unencrypted, "A multipart where the version belongs.", "Content-Type: application/pgp-encrypted", "Content-Type: multipart/mixed; boundary=\"inner\""),
		fx("version-type", Unencrypted, "A version part of another type.", "Content-Type: application/pgp-encrypted", "Content-Type: text/plain"),
	}
}

// headerFixtures differ in the header of an encrypted message, but for From.
func headerFixtures(s Samples) []Fixture {
	good := s.Good()
	fx := func(name, verdict, why string, edits ...string) Fixture {
		return Fixture{Name: name, Why: why, Out: verdict, In: verdict, Message: s.Edit(good, edits...)}
	}
	ct := func(name, verdict, why, value string) Fixture {
		return fx(name, verdict, why, coreType, "Content-Type: "+value+"\r\n")
	}
	const protocol, boundary = "protocol=\"application/pgp-encrypted\"", "boundary=\"" + CoreBoundary + "\""
	bigHeader := strings.Repeat("X-Filler: "+strings.Repeat("x", 88)+"\r\n", 1400)
	return []Fixture{
		ct("type-compact", Pass, "No white space.", "multipart/encrypted;"+protocol+";"+boundary),
		ct("type-extra", Pass, "Another parameter, and a semicolon at the end.", "multipart/encrypted; charset=utf-8; "+protocol+"; "+boundary+";"),
		fx("encoding-7bit", Pass, "An encoding that changes nothing.", "Chat-Version", "Content-Transfer-Encoding: 7bit\r\nChat-Version"),
		fx("no-mime-version", Pass, "MIME-Version is left out by some and looked at by none.", "MIME-Version: 1.0\r\n", ""),

		fx("type-twice", BadHeader, "Two content types: each reader believes another one.", coreType, "Content-Type: text/plain\r\n"+coreType),
		fx("type-twice-same", BadHeader, "Even if they say the same.", coreType, coreType+coreType),
		fx("type-twice-case", BadHeader, "In another case.", coreType, coreType+"content-TYPE: text/html\r\n"),
		fx("encoding-twice", BadHeader, "Two encodings.", "Chat-Version", SevenBit+SevenBit+"Chat-Version"),
		fx("type-spaced-colon", BadHeader, "White space before the colon: a field to some.", coreType, "Content-Type : text/html\r\n"+coreType),
		fx("type-none", Unencrypted, "No content type: it is text.", coreType, ""),
		fx("encoding-base64", Unencrypted, "An encoding of the whole.", "Chat-Version", "Content-Transfer-Encoding: base64\r\nChat-Version"),
		ct("type-params", Unencrypted, "More parameters than anyone needs, to use up time.", "multipart/encrypted; "+strings.Repeat("a=b; ", 20)+protocol+"; "+boundary),
		ct("type-params-many", Unencrypted, "The same, each with its own name.", "multipart/encrypted; a=b; c=d; e=f; g=h; i=j; k=l; m=n; o=p; q=r; s=t; u=v; w=x; y=z; a1=b; c1=d; e1=f; "+protocol+"; "+boundary),
		ct("type-mixed", Unencrypted, "Another multipart.", "multipart/mixed; "+protocol+"; "+boundary),
		ct("type-text", Unencrypted, "Text with the parameters of the other.", "text/plain; "+protocol+"; "+boundary),
		ct("type-comment", Unencrypted, "A comment where some see the type.", "multipart/encrypted (text/plain); "+protocol+"; "+boundary),
		ct("type-comment-first", Unencrypted, "A comment before the type.", "(x) multipart/encrypted; "+protocol+"; "+boundary),
		ct("type-list", Unencrypted, "Two types in one field.", "text/plain, multipart/encrypted; "+protocol+"; "+boundary),
		ct("type-broken", Unencrypted, "A type without a subtype.", "multipart; "+protocol+"; "+boundary),
		ct("type-encoded-word", Unencrypted, "An encoded word, which some decode.", "=?utf-8?q?multipart/encrypted?=; "+protocol+"; "+boundary),
		ct("boundary-none", Unencrypted, "No boundary.", "multipart/encrypted; "+protocol),
		ct("boundary-empty", Unencrypted, "An empty boundary.", "multipart/encrypted; "+protocol+"; boundary=\"\""),
		ct("boundary-twice", Unencrypted, "Two boundaries.", "multipart/encrypted; "+protocol+"; boundary=\"other\"; "+boundary),
		ct("boundary-rfc2231", Unencrypted, "A boundary in pieces (RFC 2231) beside a whole one.", "multipart/encrypted; "+protocol+"; boundary*0=\"oth\"; boundary*1=\"er\"; "+boundary),
		ct("boundary-rfc2231-alone", Unencrypted, "A boundary in pieces alone.", "multipart/encrypted; "+protocol+"; boundary*0=\""+CoreBoundary+"\""),
		ct("boundary-charset", Unencrypted, "A boundary with a charset (RFC 2231).", "multipart/encrypted; "+protocol+"; boundary*=utf-8''"+CoreBoundary),
		ct("boundary-escaped", Unencrypted, "A backslash in the boundary.", "multipart/encrypted; "+protocol+"; boundary=\"\\"+CoreBoundary+"\""),
		ct("boundary-comment", Unencrypted, "A comment after the boundary.", "multipart/encrypted; "+protocol+"; "+boundary+" (boundary=\"other\")"),
		ct("boundary-unclosed", Unencrypted, "A quote that does not end.", "multipart/encrypted; "+protocol+"; boundary=\""+CoreBoundary),
		ct("boundary-equals", Unencrypted, "A boundary that needs quotes and has none.", "multipart/encrypted; "+protocol+"; boundary="+CoreBoundary+"=x"),
		ct("boundary-long", Unencrypted, "A boundary beyond 70 bytes.", "multipart/encrypted; "+protocol+"; boundary=\""+strings.Repeat("b", 71)+"\""),
		ct("boundary-space", Unencrypted, "A boundary that ends with a space.", "multipart/encrypted; "+protocol+"; boundary=\""+CoreBoundary+" \""),
		ct("protocol-none", Pass, "No protocol. RFC 1847 wants it, but the first part says the same.", "multipart/encrypted; "+boundary),
		ct("protocol-other", Unencrypted, "The protocol of something else.", "multipart/encrypted; protocol=\"application/pkcs7-mime\"; "+boundary),
		ct("protocol-twice", Unencrypted, "Two protocols.", "multipart/encrypted; "+protocol+"; "+protocol+"; "+boundary),

		fx("line-blank", BadHeader, "A line of white space continues the field, or ends the header.", "Chat-Version", "X-A: b\r\n \r\nChat-Version"),
		fx("line-colonless", BadHeader, "A line without a colon ends the header for some.", "Chat-Version", "Meet me at the old mill\r\nChat-Version"),
		fx("line-mbox", BadHeader, "A line as in a mailbox file.", "From: <alice", "From alice Sat Nov 14 09:30:00 2026\r\nFrom: <alice"),
		fx("line-first-folded", BadHeader, "The header begins with a continuation.", "From: <alice", " x\r\nFrom: <alice"),
		fx("line-name-control", BadHeader, "A name that is none.", "Chat-Version", "X A: b\r\nChat-Version"),
		fx("line-nul", BadHeader, "A NUL ends the line for some.", "Chat-Version", "X-A: b\x00c\r\nChat-Version"),
		fx("line-bare-lf", BadHeader, "LF alone ends the line for some.", "Chat-Version", "X-A: b\nChat-Version"),
		fx("line-bare-cr", BadHeader, "CR alone ends the line for some.", "Chat-Version", "X-A: b\rContent-Type: text/html\r\nChat-Version"),
		fx("line-vertical-tab", BadHeader, "A vertical tab ends the line for Python.", "Chat-Version", "X-A: b\x0bContent-Type: text/html\r\nChat-Version"),
		{Name: "header-too-long", Why: "A header beyond the limit.", Out: BadHeader, In: BadHeader, Message: bigHeader + good},
		{Name: "header-fields", Why: "More fields than anyone needs, to use up memory.", Out: BadHeader, In: BadHeader, Message: strings.Repeat("a:\r\n", 1000) + good},
		{Name: "header-cut", Why: "The message ends within a header line.", Out: BadHeader, In: BadHeader, Message: "From: <alice@chat.example>\r\nSubject: x"},
	}
}

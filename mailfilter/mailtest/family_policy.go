package mailtest

import "strings"

// fromFixtures differ in the From field of an encrypted message.
func fromFixtures(s Samples) []Fixture {
	fx := func(name, verdict, why, from string) Fixture {
		f := Fixture{Name: name, Why: why, Out: verdict, In: verdict}
		f.Message = s.Edit(s.Good(), "From: <alice@chat.example>\r\n", from)
		return f
	}
	other := Fixture{Name: "other", Out: "from-mismatch", In: "pass null-sender",
		Why:     "The author is not the sender: our users may not, and from outside the sender is dropped, so that no bounce goes to a forged one.",
		Message: s.Edit(s.Good(), "From: <alice@chat.example>", "From: <carol@chat.example>")}
	return []Fixture{
		fx("address", Pass, "The address alone.", "From: alice@chat.example\r\n"),
		fx("name", Pass, "A name in words.", "From: Alice A. Author <alice@chat.example>\r\n"),
		fx("name-quoted", Pass, "A name in quotes, with an address in it.", "From: \"alice@chat.example \\\"Al\\\"\" <alice@chat.example>\r\n"),
		fx("name-encoded", Pass, "A name in an encoded word.", "From: =?utf-8?q?Al=C3=ADce_=3Ceve=40example=2Eorg=3E?= <alice@chat.example>\r\n"),
		fx("name-utf8", Pass, "A name in UTF-8.", "From: Al\u00edce <alice@chat.example>\r\n"),
		fx("name-comment", Pass, "A name in a comment, as cron and Postfix write it.", "From: alice@chat.example (Alice A. Author)\r\n"),
		fx("case", Pass, "The case of an address does not matter.", "From: <Alice@CHAT.example>\r\n"),
		fx("folded", Pass, "Folded before the address.", "From: Alice\r\n <alice@chat.example>\r\n"),
		other,
		{Name: "kelvin", Why: "The Kelvin sign is not a k in an address, though Unicode folds it to one.",
			Out: BadHeader, In: BadHeader, Sender: "kim@chat.example",
			Message: s.Edit(s.Good(), "<alice@", "<\u212aim@")},
		{Name: "kelvin-foreign", Why: "Nor is it in one elsewhere.",
			Out: "from-mismatch", In: "pass null-sender", Message: s.Edit(s.Good(), "<alice@chat.example>", "<\u212aim@example.org>")},
		fx("percent", BadHeader, "A route by percent sign, which mail programs used to follow.", "From: <alice%chat.example@chat.example>\r\n"),
		fx("bang", BadHeader, "A bang path.", "From: <chat.example!alice@chat.example>\r\n"),
		fx("domain-dot", BadHeader, "A domain with a dot at its end.", "From: <alice@chat.example.>\r\n"),
		{Name: "tag", Why: "A tag makes another author of our user; it is one mailbox.",
			Out: "from-mismatch", In: "pass null-sender", Message: s.Edit(s.Good(), "<alice@", "<alice+news@")},

		fx("none", BadHeader, "No author.", ""),
		fx("twice", BadHeader, "Two fields: DKIM signs one, the reader shows the other.", "From: <alice@chat.example>\r\nFrom: <eve@example.org>\r\n"),
		fx("twice-case", BadHeader, "In another case.", "From: <alice@chat.example>\r\nfrom: <eve@example.org>\r\n"),
		fx("spaced-colon", BadHeader, "White space before the colon: a second field to some.", "From : <eve@example.org>\r\nFrom: <alice@chat.example>\r\n"),
		fx("list", BadHeader, "Two authors.", "From: <alice@chat.example>, <eve@example.org>\r\n"),
		fx("list-bare", BadHeader, "Two authors without brackets.", "From: alice@chat.example, eve@example.org\r\n"),
		fx("two-brackets", BadHeader, "Two addresses in brackets.", "From: <eve@example.org> <alice@chat.example>\r\n"),
		fx("quoted-brackets", BadHeader, "Brackets in the name: naive readers take the first.", "From: \"<eve@example.org>\" <alice@chat.example>\r\n"),
		fx("after-bracket", BadHeader, "Something after the address.", "From: <alice@chat.example> eve@example.org\r\n"),
		fx("unquoted-at", BadHeader, "An address as a name, without quotes.", "From: eve@example.org <alice@chat.example>\r\n"),
		fx("comment-inside", BadHeader, "A comment in the address.", "From: <alice(eve)@chat.example>\r\n"),
		fx("comment-bracket", BadHeader, "An address in a comment.", "From: alice@chat.example (<eve@example.org>)\r\n"),
		fx("comment-nested", BadHeader, "Comments in comments.", "From: alice@chat.example (a (b) c)\r\n"),
		fx("group", BadHeader, "A group.", "From: friends: alice@chat.example;\r\n"),
		fx("route", BadHeader, "A route.", "From: <@example.org:alice@chat.example>\r\n"),
		fx("two-at", BadHeader, "Two at signs.", "From: <eve@example.org@chat.example>\r\n"),
		fx("quoted-local", BadHeader, "A local part in quotes.", "From: <\"alice\"@chat.example>\r\n"),
		fx("nul", BadHeader, "A NUL in the address.", "From: <alice@chat.example\x00.example.org>\r\n"),
		fx("space", BadHeader, "A space in the address.", "From: <alice @chat.example>\r\n"),
		fx("empty", BadHeader, "An empty address.", "From: <>\r\n"),
		fx("no-domain", BadHeader, "No domain.", "From: <alice>\r\n"),
		fx("quote-open", BadHeader, "A quote that does not end.", "From: \"Alice <alice@chat.example>\r\n"),
		fx("not-utf8", BadHeader, "An address that is no UTF-8.", "From: <alice\xff@chat.example>\r\n"),
		fx("name-is-address", Pass, "The address as a name, without quotes: there is no other one.", "From: alice@chat.example <Alice@chat.example>\r\n"),
		fx("name-comma", BadHeader, "A comma in a name without quotes: a list of two.", "From: Author, Alice <alice@chat.example>\r\n"),
		fx("name-two-addresses", BadHeader, "The address as a name, and another one.", "From: eve@example.org alice@chat.example <alice@chat.example>\r\n"),
	}
}

// policyFixtures are about who sends what to whom.
func policyFixtures(s Samples) []Fixture {
	from := func(addr string) string { return strings.ReplaceAll(Plain, "alice@chat.example", addr) }
	to := func(rcpts ...string) []string { return rcpts }
	vg := strings.ReplaceAll(SecureJoin, "vc-request", "vg-request")
	const joinText = "charset=\"utf-8\"\r\nMessage-ID: <0f4b7f3e-securejoin@localhost>\r\n" + SevenBit + "\r\nSecure-Join: vc-request\r\n"
	plainJoin := s.Edit(Plain, "Subject", "Secure-Join: vc-request\r\nSubject", Text, "secure-join: VC-request\r\n")
	sj := func(name, verdict, why string, edits ...string) Fixture {
		return Fixture{Name: name, Why: why, Out: verdict, In: verdict, Message: s.Edit(SecureJoin, edits...)}
	}
	rcpt := func(name, verdict, why, addr string) Fixture {
		return Fixture{Name: name, Why: why, Out: verdict, In: verdict, Recipients: to(addr), Message: s.Good()}
	}
	out := func(name, verdict, why, addr string) Fixture {
		return Fixture{Name: name, Why: why, Out: verdict, In: "bad-address", Recipients: to(addr), Message: s.Good()}
	}
	rep := func(name, verdict, why string, edits ...string) Fixture {
		return Fixture{Name: name, Why: why, Out: "from-mismatch", In: verdict, Sender: "<>", Message: s.Edit(Report, edits...)}
	}
	return []Fixture{
		{Name: "plain", Why: "A text in the clear.", Out: Unencrypted, In: Unencrypted, Message: Plain},
		{Name: "plain-null-sender", Why: "From no one, in the clear.", Out: "from-mismatch", In: Unencrypted, Sender: "<>", Message: Plain},
		{Name: "plain-open-mailbox", Why: "Bob's other mailbox accepts cleartext.", Out: Unencrypted, In: Pass, Recipients: to("open@chat.example"), Message: Plain},
		{Name: "plain-open-mailbox-tag", Why: "It does so for each of its tags, in any case.", Out: Unencrypted, In: Pass, Recipients: to("Open+News@Chat.Example"), Message: Plain},
		{Name: "plain-open-mailboxes", Why: "Both mailboxes accept cleartext.", Out: Unencrypted, In: Pass, Recipients: to("open@chat.example", "relaxed@chat.example"), Message: Plain},
		{Name: "plain-one-enforces", Why: "One of two does not.", Out: Unencrypted, In: Unencrypted, Recipients: to("open@chat.example", Bob), Message: Plain},
		{Name: "plain-foreign", Why: "A mailbox elsewhere is none of ours.", Out: Unencrypted, In: "bad-address", Recipients: to("open@chat.example", "open@example.org"), Message: Plain},
		{Name: "plain-broken-mailbox", Why: "The mailbox cannot be asked: a temporary failure.", Out: Unencrypted, In: "error", Recipients: to("broken@chat.example"), Message: Plain},
		{Name: "fake-open-mailbox", Why: "Badly encrypted counts as cleartext, which this mailbox accepts.", Out: Unencrypted, In: Pass, Recipients: to("open@chat.example"), Message: s.Edit(s.Good(), "Version: 1", "Version: 2")},

		rcpt("tag", Pass, "A tag.", "bob+news@chat.example"),
		rcpt("tags", Pass, "Several.", "bob+news+today@chat.example"),
		rcpt("case", Pass, "The case of letters does not matter.", "BOB@Chat.Example"),
		out("literal", Pass, "A relay without a name.", "bob@[192.0.2.1]"),
		out("foreign-percent", Pass, "What others make of a percent sign is their affair.", "bob%chat.example@example.org"),
		out("foreign-bang", Pass, "Or of a bang.", "chat.example!bob@example.org"),
		out("foreign-utf8", Pass, "An address in UTF-8.", "b\u00f6b@example.org"),
		out("subdomain", Pass, "A domain below ours is another one.", "bob@sub.chat.example"),
		rcpt("postmaster", Pass, "It needs no domain.", "Postmaster"),
		rcpt("percent", "bad-address", "A route by percent sign back to us.", "bob%chat.example@chat.example"),
		rcpt("percent-foreign", "bad-address", "And one through us.", "bob%example.org@chat.example"),
		rcpt("percent-alone", "bad-address", "And one without a domain.", "bob%chat.example"),
		rcpt("bang", "bad-address", "A bang path back to us.", "chat.example!bob@chat.example"),
		rcpt("bang-alone", "bad-address", "And one without a domain.", "chat.example!bob"),
		rcpt("route", "bad-address", "A source route.", "@example.org:bob@chat.example"),
		rcpt("domain-dot", "bad-address", "A dot after the domain.", "bob@chat.example."),
		rcpt("domain-kelvin", "bad-address", "A domain that Unicode takes for another one.", "bob@\u212Ahat.example"),
		rcpt("comment", "bad-address", "A comment.", "bob(comment)@chat.example"),
		rcpt("utf8", "bad-address", "Our own addresses are ASCII.", "b\u00f6b@chat.example"),
		rcpt("kelvin", "bad-address", "The Kelvin sign is not a k.", "\u212Aim@chat.example"),
		rcpt("slash", "bad-address", "A slash would lead to another directory.", "../bob@chat.example"),
		rcpt("slash-inside", "bad-address", "So would one inside.", "bob/../open@chat.example"),
		rcpt("dots", "bad-address", "Two dots.", "bob..x@chat.example"),
		rcpt("dot-first", "bad-address", "A dot at the beginning.", ".bob@chat.example"),
		rcpt("domain-slash", "bad-address", "A slash in the domain.", "bob@chat.example/../open"),
		rcpt("domain-dots", "bad-address", "Two dots in the domain.", "bob@chat..example"),
		rcpt("no-at", "bad-address", "No domain.", "bob"),
		rcpt("no-local", "bad-address", "No local part.", "@chat.example"),
		rcpt("tag-alone", "bad-address", "Nothing before the tag.", "+news@chat.example"),
		rcpt("two-at", "bad-address", "Two at signs.", "bob@example.org@chat.example"),
		rcpt("quoted", "bad-address", "A local part in quotes.", "\"bob\"@chat.example"),
		rcpt("control", "bad-address", "A control character.", "bo\x01b@chat.example"),
		rcpt("second-bad", "bad-address", "A long local part.", strings.Repeat("b", 65)+"@chat.example"),

		{Name: "passthrough-sender", Why: "A program of the operator's may write cleartext.", Out: Pass, In: Unencrypted, Sender: "robot@chat.example", Message: from("robot@chat.example")},
		{Name: "passthrough-sender-case", Why: "In any case.", Out: Pass, In: Unencrypted, Sender: "Robot@Chat.Example", Message: from("robot@chat.example")},
		{Name: "passthrough-sender-forged", Why: "But not in another's name.", Out: "from-mismatch", In: Unencrypted, Sender: "robot@chat.example", Message: Plain},
		{Name: "passthrough-recipient", Why: "Anyone may write to the operator in the clear.", Out: Pass, In: "bad-address", Recipients: to("Privacy@example.net"), Message: Plain},
		{Name: "passthrough-domain", Why: "Or to a whole domain.", Out: Pass, In: "bad-address", Recipients: to("x@open.example", "privacy@example.net"), Message: Plain},
		{Name: "passthrough-mixed", Why: "All recipients must allow it.", Out: Unencrypted, In: "bad-address", Recipients: to("privacy@example.net", "carol@example.net"), Message: Plain},
		{Name: "passthrough-subdomain", Why: "A domain below is another one.", Out: Unencrypted, In: "bad-address", Recipients: to("x@sub.open.example"), Message: Plain},
		{Name: "passthrough-route", Why: "A route through the domain leads elsewhere.", Out: "bad-address", In: "bad-address", Recipients: to("carol@example.net@open.example"), Message: Plain},
		{Name: "passthrough-quoted", Why: "So may quotes.", Out: "bad-address", In: "bad-address", Recipients: to("\"privacy@example.net\"@example.org"), Message: Plain},

		{Name: "securejoin-group", Why: "The request to join a group.", Out: Pass, In: Pass, Message: vg},
		{Name: "securejoin-text", Why: "The request as text, not in a multipart.", Out: Pass, In: Pass, Message: plainJoin},
		{Name: "securejoin-encrypted", Why: "The header of a request on an encrypted message.", Out: Pass, In: Pass, Message: "Secure-Join: vc-request\r\n" + s.Good()},
		sj("securejoin-alternative", Unencrypted, "Another kind of multipart, which no client writes.", "multipart/mixed", "multipart/alternative"),
		sj("securejoin-other-step", Unencrypted, "Every other step is encrypted.", "Secure-Join: vc-request\r\nSecure-Join-I", "Secure-Join: vc-auth-required\r\nSecure-Join-I", "\r\nSecure-Join: vc-request\r\n--", "\r\nSecure-Join: vc-auth-required\r\n--"),
		sj("securejoin-no-header", Unencrypted, "Only in the text.", "Secure-Join: vc-request\r\nSecure-Join-I", "Secure-Join-I"),
		sj("securejoin-twice", Unencrypted, "Two requests in the header.", "Secure-Join: vc-request\r\nSecure-Join-I", "Secure-Join: vc-request\r\nSecure-Join: vc-request\r\nSecure-Join-I"),
		sj("securejoin-differs", Unencrypted, "Header and text differ.", "\r\nSecure-Join: vc-request\r\n--", "\r\nSecure-Join: vg-request\r\n--"),
		sj("securejoin-text-after", Unencrypted, "A text after the request.", joinText, joinText+Text),
		sj("securejoin-text-before", Unencrypted, "A text before the request.", joinText, "charset=\"utf-8\"\r\n\r\nhello Secure-Join: vc-request\r\n"),
		sj("securejoin-preamble", Unencrypted, "A text before the part.", "\r\n\r\n\r\n--18a1f0c2_joinjoin", "\r\n\r\nhello\r\n--18a1f0c2_joinjoin"),
		sj("securejoin-epilogue", Unencrypted, "A text after the part.", "joinjoin_5c6d7e8f--\r\n", "joinjoin_5c6d7e8f--\r\nhello\r\n"),
		sj("securejoin-two-parts", Unencrypted, "Another part.", "--18a1f0c2_joinjoin_5c6d7e8f--", "--18a1f0c2_joinjoin_5c6d7e8f\r\nContent-Type: text/plain\r\n\r\nhello\r\n--18a1f0c2_joinjoin_5c6d7e8f--"),
		sj("securejoin-html", Unencrypted, "HTML.", "text/plain", "text/html"),
		sj("securejoin-charset", Unencrypted, "A charset in which ASCII is something else.", "charset=\"utf-8\"", "charset=\"utf-7\""),
		sj("securejoin-base64", Unencrypted, "An encoding.", "Encoding: 7bit", "Encoding: base64"),

		rep("report-exim", Pass, "Exim's form.", "MAILER-DAEMON@mx.example.org (Mail Delivery System)", "Mail Delivery System <Mailer-Daemon@mx.example.org>"),
		rep("report-not-automatic", Pass, "mox does not say that its reports are automatic.", "Auto-Submitted: auto-replied\r\n", ""),
		rep("report-by-hand", Unencrypted, "A report that says that it is not automatic.", "auto-replied", "no"),
		rep("report-other-author", Pass, "Exchange, mox and chasquid have other names for themselves.", "MAILER-DAEMON@", "postmaster@"),
		rep("report-not-report", Unencrypted, "A letter of the mail system.", "multipart/report", "multipart/mixed"),
		rep("report-bad-type", Unencrypted, "A type that readers differ on.", "multipart/report;", "multipart/report (text/html);"),
	}
}

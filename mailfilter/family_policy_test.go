package mailfilter_test

import "strings"

// fromFixtures differ in the From field of an encrypted message.
func fromFixtures(s samples) []fixture {
	fx := func(name, verdict, why, from string) fixture {
		f := fixture{name: name, why: why, out: verdict, in: verdict}
		f.message = s.edit(s.good(), "From: <alice@chat.example>\r\n", from)
		return f
	}
	other := fixture{name: "other", out: "from-mismatch", in: "pass null-sender",
		why:     "The author is not the sender: our users may not, and from outside the sender is dropped, so that no bounce goes to a forged one.",
		message: s.edit(s.good(), "From: <alice@chat.example>", "From: <carol@chat.example>")}
	return []fixture{
		fx("address", pass, "The address alone.", "From: alice@chat.example\r\n"),
		fx("name", pass, "A name in words.", "From: Alice A. Author <alice@chat.example>\r\n"),
		fx("name-quoted", pass, "A name in quotes, with an address in it.", "From: \"alice@chat.example \\\"Al\\\"\" <alice@chat.example>\r\n"),
		fx("name-encoded", pass, "A name in an encoded word.", "From: =?utf-8?q?Al=C3=ADce_=3Ceve=40example=2Eorg=3E?= <alice@chat.example>\r\n"),
		fx("name-utf8", pass, "A name in UTF-8.", "From: Al\u00edce <alice@chat.example>\r\n"),
		fx("name-comment", pass, "A name in a comment, as cron and Postfix write it.", "From: alice@chat.example (Alice A. Author)\r\n"),
		fx("case", pass, "The case of an address does not matter.", "From: <Alice@CHAT.example>\r\n"),
		fx("folded", pass, "Folded before the address.", "From: Alice\r\n <alice@chat.example>\r\n"),
		other,
		{name: "kelvin", why: "The Kelvin sign is no k in an address, though Unicode folds it to one.",
			out: head, in: head, sender: "kim@chat.example",
			message: s.edit(s.good(), "<alice@", "<\u212aim@")},
		{name: "kelvin-foreign", why: "Nor is it in one elsewhere.",
			out: "from-mismatch", in: "pass null-sender", message: s.edit(s.good(), "<alice@chat.example>", "<\u212aim@example.org>")},
		fx("percent", head, "A route by percent sign, which mail programs used to follow.", "From: <alice%chat.example@chat.example>\r\n"),
		fx("bang", head, "A bang path.", "From: <chat.example!alice@chat.example>\r\n"),
		fx("domain-dot", head, "A domain with a dot at its end.", "From: <alice@chat.example.>\r\n"),
		{name: "tag", why: "A tag makes another author of our user; it is one mailbox.",
			out: "from-mismatch", in: "pass null-sender", message: s.edit(s.good(), "<alice@", "<alice+news@")},

		fx("none", head, "No author.", ""),
		fx("twice", head, "Two fields: DKIM signs one, the reader shows the other.", "From: <alice@chat.example>\r\nFrom: <eve@example.org>\r\n"),
		fx("twice-case", head, "In another case.", "From: <alice@chat.example>\r\nfrom: <eve@example.org>\r\n"),
		fx("spaced-colon", head, "White space before the colon: a second field to some.", "From : <eve@example.org>\r\nFrom: <alice@chat.example>\r\n"),
		fx("list", head, "Two authors.", "From: <alice@chat.example>, <eve@example.org>\r\n"),
		fx("list-bare", head, "Two authors without brackets.", "From: alice@chat.example, eve@example.org\r\n"),
		fx("two-brackets", head, "Two addresses in brackets.", "From: <eve@example.org> <alice@chat.example>\r\n"),
		fx("quoted-brackets", head, "Brackets in the name: naive readers take the first.", "From: \"<eve@example.org>\" <alice@chat.example>\r\n"),
		fx("after-bracket", head, "Something after the address.", "From: <alice@chat.example> eve@example.org\r\n"),
		fx("unquoted-at", head, "An address as a name, without quotes.", "From: eve@example.org <alice@chat.example>\r\n"),
		fx("comment-inside", head, "A comment in the address.", "From: <alice(eve)@chat.example>\r\n"),
		fx("comment-bracket", head, "An address in a comment.", "From: alice@chat.example (<eve@example.org>)\r\n"),
		fx("comment-nested", head, "Comments in comments.", "From: alice@chat.example (a (b) c)\r\n"),
		fx("group", head, "A group.", "From: friends: alice@chat.example;\r\n"),
		fx("route", head, "A route.", "From: <@example.org:alice@chat.example>\r\n"),
		fx("two-at", head, "Two at signs.", "From: <eve@example.org@chat.example>\r\n"),
		fx("quoted-local", head, "A local part in quotes.", "From: <\"alice\"@chat.example>\r\n"),
		fx("nul", head, "A NUL in the address.", "From: <alice@chat.example\x00.example.org>\r\n"),
		fx("space", head, "A space in the address.", "From: <alice @chat.example>\r\n"),
		fx("empty", head, "An empty address.", "From: <>\r\n"),
		fx("no-domain", head, "No domain.", "From: <alice>\r\n"),
		fx("quote-open", head, "A quote that does not end.", "From: \"Alice <alice@chat.example>\r\n"),
		fx("not-utf8", head, "An address that is no UTF-8.", "From: <alice\xff@chat.example>\r\n"),
		fx("name-is-address", pass, "The address as a name, without quotes: there is no other one.", "From: alice@chat.example <Alice@chat.example>\r\n"),
		fx("name-comma", head, "A comma in a name without quotes: a list of two.", "From: Author, Alice <alice@chat.example>\r\n"),
		fx("name-two-addresses", head, "The address as a name, and another one.", "From: eve@example.org alice@chat.example <alice@chat.example>\r\n"),
	}
}

// policyFixtures are about who sends what to whom.
func policyFixtures(s samples) []fixture {
	from := func(addr string) string { return strings.ReplaceAll(plain, "alice@chat.example", addr) }
	to := func(rcpts ...string) []string { return rcpts }
	vg := strings.ReplaceAll(secureJoin, "vc-request", "vg-request")
	const joinText = "charset=\"utf-8\"\r\nMessage-ID: <0f4b7f3e-securejoin@localhost>\r\n" + sevenBit + "\r\nSecure-Join: vc-request\r\n"
	plainJoin := s.edit(plain, "Subject", "Secure-Join: vc-request\r\nSubject", fixtureText, "secure-join: VC-request\r\n")
	sj := func(name, verdict, why string, edits ...string) fixture {
		return fixture{name: name, why: why, out: verdict, in: verdict, message: s.edit(secureJoin, edits...)}
	}
	rcpt := func(name, verdict, why, addr string) fixture {
		return fixture{name: name, why: why, out: verdict, in: verdict, recipients: to(addr), message: s.good()}
	}
	out := func(name, verdict, why, addr string) fixture {
		return fixture{name: name, why: why, out: verdict, in: "bad-address", recipients: to(addr), message: s.good()}
	}
	rep := func(name, verdict, why string, edits ...string) fixture {
		return fixture{name: name, why: why, out: "from-mismatch", in: verdict, sender: "<>", message: s.edit(report, edits...)}
	}
	return []fixture{
		{name: "plain", why: "A text in the clear.", out: bare, in: bare, message: plain},
		{name: "plain-null-sender", why: "From no one, in the clear.", out: "from-mismatch", in: bare, sender: "<>", message: plain},
		{name: "plain-open-mailbox", why: "Bob's other mailbox accepts cleartext.", out: bare, in: pass, recipients: to("open@chat.example"), message: plain},
		{name: "plain-open-mailbox-tag", why: "It does so for each of its tags, in any case.", out: bare, in: pass, recipients: to("Open+News@Chat.Example"), message: plain},
		{name: "plain-open-mailboxes", why: "Both mailboxes accept cleartext.", out: bare, in: pass, recipients: to("open@chat.example", "relaxed@chat.example"), message: plain},
		{name: "plain-one-enforces", why: "One of two does not.", out: bare, in: bare, recipients: to("open@chat.example", bob), message: plain},
		{name: "plain-foreign", why: "A mailbox elsewhere is none of ours.", out: bare, in: "bad-address", recipients: to("open@chat.example", "open@example.org"), message: plain},
		{name: "plain-broken-mailbox", why: "The mailbox cannot be asked: a temporary failure.", out: bare, in: "error", recipients: to("broken@chat.example"), message: plain},
		{name: "fake-open-mailbox", why: "Badly encrypted counts as cleartext, which this mailbox accepts.", out: bare, in: pass, recipients: to("open@chat.example"), message: s.edit(s.good(), "Version: 1", "Version: 2")},

		rcpt("tag", pass, "A tag.", "bob+news@chat.example"),
		rcpt("tags", pass, "Several.", "bob+news+today@chat.example"),
		rcpt("case", pass, "The case of letters does not matter.", "BOB@Chat.Example"),
		out("literal", pass, "A relay without a name.", "bob@[192.0.2.1]"),
		out("foreign-percent", pass, "What others make of a percent sign is their affair.", "bob%chat.example@example.org"),
		out("foreign-bang", pass, "Or of a bang.", "chat.example!bob@example.org"),
		out("foreign-utf8", pass, "An address in UTF-8.", "b\u00f6b@example.org"),
		out("subdomain", pass, "A domain below ours is another one.", "bob@sub.chat.example"),
		rcpt("postmaster", pass, "It needs no domain.", "Postmaster"),
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
		rcpt("kelvin", "bad-address", "The Kelvin sign is no k.", "\u212Aim@chat.example"),
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

		{name: "passthrough-sender", why: "A program of the operator's may write cleartext.", out: pass, in: bare, sender: "robot@chat.example", message: from("robot@chat.example")},
		{name: "passthrough-sender-case", why: "In any case.", out: pass, in: bare, sender: "Robot@Chat.Example", message: from("robot@chat.example")},
		{name: "passthrough-sender-forged", why: "But not in another's name.", out: "from-mismatch", in: bare, sender: "robot@chat.example", message: plain},
		{name: "passthrough-recipient", why: "Anyone may write to the operator in the clear.", out: pass, in: "bad-address", recipients: to("Privacy@example.net"), message: plain},
		{name: "passthrough-domain", why: "Or to a whole domain.", out: pass, in: "bad-address", recipients: to("x@open.example", "privacy@example.net"), message: plain},
		{name: "passthrough-mixed", why: "All recipients must allow it.", out: bare, in: "bad-address", recipients: to("privacy@example.net", "carol@example.net"), message: plain},
		{name: "passthrough-subdomain", why: "A domain below is another one.", out: bare, in: "bad-address", recipients: to("x@sub.open.example"), message: plain},
		{name: "passthrough-route", why: "A route through the domain leads elsewhere.", out: "bad-address", in: "bad-address", recipients: to("carol@example.net@open.example"), message: plain},
		{name: "passthrough-quoted", why: "So may quotes.", out: "bad-address", in: "bad-address", recipients: to("\"privacy@example.net\"@example.org"), message: plain},

		{name: "securejoin-group", why: "The request to join a group.", out: pass, in: pass, message: vg},
		{name: "securejoin-text", why: "The request as text, not in a multipart.", out: pass, in: pass, message: plainJoin},
		{name: "securejoin-encrypted", why: "The header of a request on an encrypted message.", out: pass, in: pass, message: "Secure-Join: vc-request\r\n" + s.good()},
		sj("securejoin-alternative", bare, "Another kind of multipart, which no client writes.", "multipart/mixed", "multipart/alternative"),
		sj("securejoin-other-step", bare, "Every other step is encrypted.", "Secure-Join: vc-request\r\nSecure-Join-I", "Secure-Join: vc-auth-required\r\nSecure-Join-I", "\r\nSecure-Join: vc-request\r\n--", "\r\nSecure-Join: vc-auth-required\r\n--"),
		sj("securejoin-no-header", bare, "Only in the text.", "Secure-Join: vc-request\r\nSecure-Join-I", "Secure-Join-I"),
		sj("securejoin-twice", bare, "Two requests in the header.", "Secure-Join: vc-request\r\nSecure-Join-I", "Secure-Join: vc-request\r\nSecure-Join: vc-request\r\nSecure-Join-I"),
		sj("securejoin-differs", bare, "Header and text differ.", "\r\nSecure-Join: vc-request\r\n--", "\r\nSecure-Join: vg-request\r\n--"),
		sj("securejoin-text-after", bare, "A text after the request.", joinText, joinText+fixtureText),
		sj("securejoin-text-before", bare, "A text before the request.", joinText, "charset=\"utf-8\"\r\n\r\nhello Secure-Join: vc-request\r\n"),
		sj("securejoin-preamble", bare, "A text before the part.", "\r\n\r\n\r\n--18a1f0c2_joinjoin", "\r\n\r\nhello\r\n--18a1f0c2_joinjoin"),
		sj("securejoin-epilogue", bare, "A text after the part.", "joinjoin_5c6d7e8f--\r\n", "joinjoin_5c6d7e8f--\r\nhello\r\n"),
		sj("securejoin-two-parts", bare, "Another part.", "--18a1f0c2_joinjoin_5c6d7e8f--", "--18a1f0c2_joinjoin_5c6d7e8f\r\nContent-Type: text/plain\r\n\r\nhello\r\n--18a1f0c2_joinjoin_5c6d7e8f--"),
		sj("securejoin-html", bare, "HTML.", "text/plain", "text/html"),
		sj("securejoin-charset", bare, "A charset in which ASCII is something else.", "charset=\"utf-8\"", "charset=\"utf-7\""),
		sj("securejoin-base64", bare, "An encoding.", "Encoding: 7bit", "Encoding: base64"),

		rep("report-exim", pass, "Exim's form.", "MAILER-DAEMON@mx.example.org (Mail Delivery System)", "Mail Delivery System <Mailer-Daemon@mx.example.org>"),
		rep("report-not-automatic", pass, "mox does not say that its reports are automatic.", "Auto-Submitted: auto-replied\r\n", ""),
		rep("report-by-hand", bare, "A report that says that it is not automatic.", "auto-replied", "no"),
		rep("report-other-author", pass, "Exchange, mox and chasquid have other names for themselves.", "MAILER-DAEMON@", "postmaster@"),
		rep("report-not-report", bare, "A letter of the mail system.", "multipart/report", "multipart/mixed"),
		rep("report-bad-type", bare, "A type that readers differ on.", "multipart/report;", "multipart/report (text/html);"),
	}
}

package mailfilter_test

import "strings"

// realFixtures are messages as real programs write them.
func realFixtures(s samples) []fixture {
	withHeaders := func(lines string) string {
		return s.edit(s.goodArmor(), "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\n"+lines+"\r\n")
	}
	return []fixture{
		{name: "delta-chat", why: "Delta Chat: PKESK version 3, SEIPD version 1.",
			out: pass, in: pass, message: s.good()},
		{name: "delta-chat-v6", why: "Delta Chat, once all keys can do it: PKESK version 6, SEIPD version 2.",
			out: pass, in: pass, message: core(armor(sequence(s.pkesk6, s.pkesk6, s.seipd2)))},
		{name: "delta-chat-symmetric", why: "SecureJoin version 3 and broadcasts: SKESK version 6 alone.",
			out: pass, in: pass, message: core(armor(sequence(s.skesk6, s.seipd2)))},
		{name: "delta-chat-large", why: "A body in parts, as for an attachment.",
			out: pass, in: pass, message: core(armor(append(newFormat(s.pkesk3), partial(s.seipd1, 9, 9)...)))},
		{name: "thunderbird", why: "Thunderbird announces what follows before the first boundary, always in the same words.",
			out: pass, in: pass, message: thunderbird(s.goodArmor())},
		{name: "enigmail", why: "Enigmail adds armor headers. They are text that anyone can read, so those alone pass that known programs write.",
			out: pass, in: pass, message: thunderbird(withHeaders("Version: GnuPG v2\r\nComment: Using GnuPG with Thunderbird - https://www.enigmail.net/\r\n"))},
		{name: "armor-header-alone", why: "Delta Chat's form with an armor header.",
			out: pass, in: pass, message: core(withHeaders("Version: GnuPG v2\r\n"))},
		{name: "gnupg", why: "GnuPG writes session keys with old-format headers and the data in parts.",
			out: pass, in: pass, message: core(armor(append(oldFormat(s.pkesk3, 0), partial(s.seipd1, 9)...)))},
		{name: "mutt", why: "Mutt: an unquoted protocol in capitals, a boundary with plus signs, a filename.",
			out: pass, in: pass, message: s.edit(strings.ReplaceAll(s.good(), coreBoundary, "vG+s+6kT+x1zA2"),
				"protocol=\"application/pgp-encrypted\"; \r\n", "Protocol=\"Application/PGP-Encrypted\";\r\n",
				"octet-stream\r\n", "octet-stream\r\nContent-Disposition: attachment; filename=\"msg.asc\"\r\n")},
		{name: "long-autocrypt", why: "A header line of 3000 octets, as for an RSA key that nobody folded.",
			out: pass, in: pass, message: "Autocrypt: addr=alice@chat.example; keydata=" + strings.Repeat("mQINBF", 500) + "\r\n" + s.good()},
		{name: "securejoin", why: "The first message of a SecureJoin cannot be encrypted.",
			out: pass, in: pass, message: secureJoin},
		{name: "bounce", why: "A delivery report from another server comes in; our users do not write any.",
			out: "from-mismatch", in: pass, message: report, sender: "<>"},
	}
}

// packetFixtures differ in the packets in the armor.
func packetFixtures(s samples) []fixture {
	fx := func(name, verdict, why string, octets []byte) fixture {
		return fixture{name: name, why: why, out: verdict, in: verdict, message: core(armor(octets))}
	}
	join := func(chunks ...[]byte) (out []byte) {
		for _, c := range chunks {
			out = append(out, c...)
		}
		return out
	}
	esk, data := newFormat(s.pkesk3), newFormat(s.seipd1)
	version := func(p pkt, v byte) pkt { return pkt{p.tag, append([]byte{v}, p.body[1:]...)} }
	return []fixture{
		fx("pkesk-skesk-mixed", pass, "Keys and passphrases in any order.", sequence(s.skesk4, s.pkesk3, s.skesk4, s.pkesk3, s.seipd1)),
		fx("old-format-two-octets", pass, "Old-format length of two octets.", join(oldFormat(s.pkesk3, 1), data)),
		fx("old-format-four-octets", pass, "Old-format length of four octets.", join(oldFormat(s.skesk4, 2), data)),
		fx("five-octet-length", pass, "A length in more octets than it needs has one meaning only.", join(esk, []byte{0xd2}, longLength(len(s.seipd1.body)), s.seipd1.body)),
		fx("partial-then-nothing", pass, "Parts that end with a definite length of zero.", join(esk, partial(pkt{s.seipd1.tag, s.seipd1.body[:1024]}, 9, 9))),
		fx("small-later-parts", pass, "Only the first part has a least size.", join(esk, partial(s.seipd1, 9, 0, 1, 2, 3))),

		fx("literal", bare, "A literal packet is the text itself.", sequence(s.literal)),
		fx("compressed", bare, "So is a compressed one.", sequence(s.compressed)),
		fx("signed-only", bare, "Signed is not encrypted.", sequence(s.signed...)),
		fx("sed", bare, "Encrypted data without integrity protection (tag 9) can be turned into other text.", sequence(s.pkesk3, s.sed)),
		fx("aead-gnupg", bare, "Tag 20 is GnuPG's own and in no standard; Delta Chat cannot read it.", sequence(s.skesk4, s.aead)),
		fx("only-session-key", bare, "A session key, and nothing encrypted with it.", esk),
		fx("no-session-key", bare, "Data that no one has the key to: it cannot be a message to someone.", data),
		fx("empty", bare, "No packet at all.", nil),
		fx("literal-before", bare, "Text before the encrypted data.", sequence(s.literal, s.pkesk3, s.seipd1)),
		fx("literal-between", bare, "Text between key and data.", sequence(s.pkesk3, s.literal, s.seipd1)),
		fx("literal-after", bare, "Text after the encrypted data.", sequence(s.pkesk3, s.seipd1, s.literal)),
		fx("data-twice", bare, "Encrypted data twice: readers take the first, the last or none.", sequence(s.pkesk3, s.seipd1, s.pkesk3, s.seipd1)),
		fx("octet-after", bare, "One octet after the end.", join(esk, data, []byte{0})),
		fx("marker", bare, "A marker packet is ignored by readers, and could hold text.", sequence(s.marker, s.pkesk3, s.seipd1)),
		fx("padding", bare, "Padding after the data.", sequence(s.pkesk6, s.seipd2, s.padding)),
		fx("unknown-tag", bare, "A tag that readers skip.", sequence(s.pkesk3, pkt{60, []byte(fixtureText)}, s.seipd1)),
		fx("no-packet-bit", bare, "An octet that begins no packet.", join([]byte{0x12}, esk, data)),

		fx("data-truncated", bare, "The data end before their length says.", join(esk, data[:len(data)-1])),
		fx("header-truncated", bare, "The data end within a length.", join(esk, []byte{0xd2, 0xff, 0, 0})),
		fx("tag-alone", bare, "The data end after a tag.", join(esk, []byte{0xd2})),
		fx("length-beyond-end", bare, "A length of 4 GiB.", join(esk, []byte{0xd2}, longLength(0xffffffff), s.seipd1.body)),
		fx("length-too-short", bare, "The data go on after their length, like a packet.", join(esk, []byte{0xd2, 60}, s.seipd1.body)),
		fx("indeterminate", bare, "Old-format length \"to the end\": anything may follow inside.", join(oldFormat(s.pkesk3, 3), data)),
		fx("partial-without-end", bare, "A part, and then no length.", join(esk, partial(s.seipd1, 9)[:514])),
		fx("partial-session-key", bare, "Only data may come in parts.", join([]byte{0xc1, 224 + 9}, make([]byte, 512), []byte{0}, data)),
		fx("small-first-part", bare, "A first part below 512 octets (RFC 9580, section 4.2.1.4).", join(esk, partial(s.seipd1, 8, 8))),

		fx("pkesk-version-2", bare, "No such PKESK.", sequence(version(s.pkesk3, 2), s.seipd1)),
		fx("skesk-version-5", bare, "No such SKESK in a standard.", sequence(version(s.skesk4, 5), s.seipd1)),
		fx("seipd-version-0", bare, "No such SEIPD.", sequence(s.pkesk3, version(s.seipd1, 0))),
		fx("seipd-version-3", bare, "No such SEIPD.", sequence(s.pkesk3, version(s.seipd1, 3))),
		fx("seipd-no-cipher", bare, "Cipher 0 means \"not encrypted\".", sequence(s.pkesk6, pkt{18, append([]byte{2, 0, 2, 6}, s.seipd2.body[4:]...)})),
		fx("seipd-bad-mode", bare, "No such mode.", sequence(s.pkesk6, pkt{18, append([]byte{2, 7, 4, 6}, s.seipd2.body[4:]...)})),
		fx("pkesk-fingerprint", bare, "The size of a fingerprint and the version of the key disagree.", sequence(pkt{1, append([]byte{6, s.pkesk6.body[1], 4}, s.pkesk6.body[3:]...)}, s.seipd2)),
		fx("pkesk-huge", bare, "A letter where a session key of unknown algorithm belongs.", sequence(pkt{1, append(append([]byte{}, s.pkesk3.body[:9]...), append([]byte{99}, strings.Repeat(fixtureText, 200)...)...)}, s.seipd1)),
		fx("pkesk-unknown-algorithm", pass, "New algorithms appear.", sequence(pkt{1, append(append([]byte{}, s.pkesk3.body[:9]...), append([]byte{99}, s.pkesk3.body[10:]...)...)}, s.seipd1)),
		fx("pkesk-noise", pass, "What is in a session key is not looked at.", sequence(pkt{1, append(append([]byte{}, s.pkesk3.body[:10]...), s.seipd1.body[1:60]...)}, s.seipd1)),
		fx("seipd-2-too-short", bare, "Too short for the salt and the tag.", sequence(s.pkesk6, pkt{18, s.seipd2.body[:40]})),
		fx("skesk-no-cipher", bare, "Cipher 0 for the session key.", sequence(pkt{3, append([]byte{4, 0}, s.skesk4.body[2:]...)}, s.seipd1)),
		fx("empty-session-key", bare, "A session key of no octets.", sequence(pkt{1, nil}, s.seipd1)),
	}
}

// armorFixtures differ in the armor around good packets.
func armorFixtures(s samples) []fixture {
	good := s.goodArmor()
	lines := strings.SplitAfter(good, "\r\n")
	n := len(lines)
	sum := lines[n-3]
	octets := func(size int) []byte {
		return sequence(s.pkesk3, pkt{18, s.seipd1.body[:size]})
	}
	padded := func(rest int) []byte {
		o := octets(100)
		for len(o)%3 != rest {
			o = octets(len(o) - len(newFormat(s.pkesk3)) - 1)
		}
		return o
	}
	unpadded := padded(0)
	unbroken := strings.SplitAfter(armor(unpadded), "\r\n")
	one, two := armor(padded(1)), armor(padded(2))
	fx := func(name, verdict, why, armor string) fixture {
		return fixture{name: name, why: why, out: verdict, in: verdict, message: core(armor)}
	}
	last := lines[2]
	return []fixture{
		fx("padding-two", pass, "Two padding characters.", one),
		fx("padding-one", pass, "One padding character.", two),
		fx("no-padding", pass, "No padding.", armor(unpadded)),
		fx("no-checksum", pass, "The checksum is optional.", s.edit(good, sum, "")),
		fx("wrong-checksum", pass, "A wrong checksum is not an error (RFC 9580, section 6.1): it says nothing about the content.", s.edit(good, sum, "=AAAA\r\n")),
		fx("lines-of-76", pass, "Lines of 76.", strings.Join(rewrap(lines[2:n-3], 76, good), "")),
		fx("lines-of-61", pass, "Lines that do not end with a group of four.", strings.Join(rewrap(unbroken[2:len(unbroken)-3], 61, armor(unpadded)), "")),
		fx("lines-of-96", pass, "The longest lines that all readers take.", strings.Join(rewrap(lines[2:n-3], 96, good), "")),
		fx("lines-of-97", bare, "Longer lines.", strings.Join(rewrap(lines[2:n-3], 97, good), "")),
		fx("lines-around", pass, "Empty lines around the armor.", "\r\n\r\n"+good+"\r\n\r\n"),

		fx("checksum-short", bare, "A checksum of three characters.", s.edit(good, sum, "=AAA\r\n")),
		fx("checksum-long", bare, "A checksum of five characters.", s.edit(good, sum, "=AAAAA\r\n")),
		fx("checksum-not-base64", bare, "A checksum outside the alphabet.", s.edit(good, sum, "=AA A\r\n")),
		fx("checksum-twice", bare, "Two checksums.", s.edit(good, sum, sum+sum)),
		fx("checksum-early", bare, "Data after the checksum.", s.edit(good, last, last+sum)),
		fx("no-tail", bare, "No tail: some readers see no message.", s.edit(good, "-----END PGP MESSAGE-----\r\n", "")),
		fx("wrong-tail", bare, "The tail of something else.", s.edit(good, "-----END PGP MESSAGE-----", "-----END PGP SIGNATURE-----")),
		fx("tail-padded", bare, "White space after the tail.", s.edit(good, "-----END PGP MESSAGE-----", "-----END PGP MESSAGE----- ")),
		fx("no-head", bare, "No head.", s.edit(good, "-----BEGIN PGP MESSAGE-----\r\n", "")),
		fx("wrong-head", bare, "The head of a signed text.", s.edit(good, "-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP SIGNED MESSAGE-----")),
		fx("part-head", bare, "One of several parts.", s.edit(good, "-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP MESSAGE, PART 1/2-----")),
		fx("lower-case-head", bare, "Readers differ on case.", s.edit(good, "-----BEGIN PGP MESSAGE-----", "-----begin pgp message-----")),
		fx("two-armors", bare, "Two messages.", good+good),
		fx("literal-armor-after", bare, "Text in a second armor.", good+armor(sequence(s.literal))),
		fx("text-before", bare, "Text before the armor.", fixtureText+good),
		fx("text-after", bare, "Text after the armor.", good+fixtureText),
		fx("text-inside", bare, "Text among the data.", s.edit(good, last, last+fixtureText)),
		fx("not-base64", bare, "An octet outside the alphabet.", s.edit(good, last, "!"+last[1:])),
		fx("base64url", bare, "The alphabet of URLs.", s.edit(good, last, "-_"+last[2:])),
		fx("nul", bare, "A NUL among the data.", s.edit(good, last, "\x00"+last[1:])),
		fx("high-bit", bare, "An octet with its high bit set, which some decoders cut off.", s.edit(good, last, string([]byte{last[0] | 0x80})+last[1:])),
		fx("indented", bare, "White space before the data.", s.edit(good, last, " "+last)),
		fx("trailing-space", bare, "White space after the data.", s.edit(good, last, strings.TrimSpace(last)+" \r\n")),
		fx("empty-line-inside", bare, "An empty line in the data ends them for some.", s.edit(good, last, last+"\r\n")),
		fx("padding-inside", bare, "Data after padding.", s.edit(one, "==\r\n", "==\r\nAAAA\r\n")),
		fx("padding-short", bare, "Padding of one where two belong.", s.edit(one, "==\r\n", "=\r\n")),
		fx("padding-missing", bare, "No padding where two belong.", s.edit(one, "==\r\n", "\r\n")),
		fx("padding-long", bare, "Three padding characters.", s.edit(one, "==\r\n", "===\r\n")),
		fx("padding-on-its-own", bare, "Padding on a line of its own looks like a checksum.", s.edit(one, "==\r\n", "\r\n==\r\n")),
		fx("padding-bits", bare, "Bits that padding drops are a place to hide something.", s.edit(one, one[strings.Index(one, "==\r\n")-1:strings.Index(one, "==\r\n")+2], "/==")),
		fx("no-empty-line", bare, "Data right after the head: some take them for armor headers.", s.edit(good, "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\n")),
		{name: "header-without-empty-line", why: "An armor header and no empty line after it.",
			out: bare, in: bare, message: core(s.edit(good, "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\nVersion: 1\r\n"))},
		{name: "header-malformed", why: "An armor header that is none.",
			out: bare, in: bare, message: core(s.edit(good, "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\nhello there\r\n\r\n"))},
		{name: "headers-long", why: "A letter in armor headers.",
			out: bare, in: bare, message: core(s.edit(good, "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\n"+strings.Repeat("Comment: Meet me at the old mill, at noon.\r\n", 20)+"\r\n"))},
		fx("bare-lf", bare, "A line that ends with LF alone.", s.edit(good, last, strings.TrimSpace(last)+"\n")),
		fx("bare-cr", bare, "A CR within a line.", s.edit(good, last, last[:20]+"\r"+last[20:])),
		fx("long-line", bare, "A line beyond what SMTP allows.", s.edit(good, last, strings.Repeat("A", 1000)+"\r\n")),
	}
}

// rewrap breaks the data of an armor anew, and puts what is around them back.
func rewrap(data []string, width int, armor string) (out []string) {
	text := strings.ReplaceAll(strings.Join(data, ""), "\r\n", "")
	at := strings.Index(armor, data[0])
	out = append(out, armor[:at])
	for len(text) > 0 {
		n := min(width, len(text))
		out = append(out, text[:n]+"\r\n")
		text = text[n:]
	}
	return append(out, armor[at+len(strings.Join(data, "")):])
}

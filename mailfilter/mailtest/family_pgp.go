package mailtest

import "strings"

// realFixtures are messages as real programs write them.
func realFixtures(s Samples) []Fixture {
	withHeaders := func(lines string) string {
		return s.Edit(s.GoodArmor(), "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\n"+lines+"\r\n")
	}
	return []Fixture{
		{Name: "delta-chat", Why: "Delta Chat: PKESK version 3, SEIPD version 1.",
			Out: Pass, In: Pass, Message: s.Good()},
		{Name: "delta-chat-v6", Why: "Delta Chat, once all keys can do it: PKESK version 6, SEIPD version 2.",
			Out: Pass, In: Pass, Message: core(armor(sequence(s.pkesk6, s.pkesk6, s.seipd2)))},
		{Name: "delta-chat-symmetric", Why: "SecureJoin version 3 and broadcasts: SKESK version 6 alone.",
			Out: Pass, In: Pass, Message: core(armor(sequence(s.skesk6, s.seipd2)))},
		{Name: "delta-chat-large", Why: "A body in parts, as for an attachment.",
			Out: Pass, In: Pass, Message: core(armor(append(newFormat(s.pkesk3), partial(s.seipd1, 9, 9)...)))},
		{Name: "thunderbird", Why: "Thunderbird announces what follows before the first boundary, always in the same words.",
			Out: Pass, In: Pass, Message: thunderbird(s.GoodArmor())},
		{Name: "enigmail", Why: "Enigmail adds armor headers. They are text that anyone can read, so those alone pass that known programs write.",
			Out: Pass, In: Pass, Message: thunderbird(withHeaders("Version: GnuPG v2\r\nComment: Using GnuPG with Thunderbird - https://www.enigmail.net/\r\n"))},
		{Name: "armor-header-alone", Why: "Delta Chat's form with an armor header.",
			Out: Pass, In: Pass, Message: core(withHeaders("Version: GnuPG v2\r\n"))},
		{Name: "gnupg", Why: "GnuPG writes session keys with old-format headers and the data in parts.",
			Out: Pass, In: Pass, Message: core(armor(append(oldFormat(s.pkesk3, 0), partial(s.seipd1, 9)...)))},
		{Name: "mutt", Why: "Mutt: an unquoted protocol in capitals, a boundary with plus signs, a filename.",
			Out: Pass, In: Pass, Message: s.Edit(strings.ReplaceAll(s.Good(), CoreBoundary, "vG+s+6kT+x1zA2"),
				"protocol=\"application/pgp-encrypted\"; \r\n", "Protocol=\"Application/PGP-Encrypted\";\r\n",
				"octet-stream\r\n", "octet-stream\r\nContent-Disposition: attachment; filename=\"msg.asc\"\r\n")},
		{Name: "long-autocrypt", Why: "A header line of 3000 bytes, as for an RSA key that nobody folded.",
			Out: Pass, In: Pass, Message: "Autocrypt: addr=alice@chat.example; keydata=" + strings.Repeat("mQINBF", 500) + "\r\n" + s.Good()},
		{Name: "securejoin", Why: "The first message of a SecureJoin cannot be encrypted.",
			Out: Pass, In: Pass, Message: SecureJoin},
		{Name: "bounce", Why: "A delivery report from another server comes in; our users do not write any.",
			Out: "from-mismatch", In: Pass, Message: Report, Sender: "<>"},
	}
}

// packetFixtures differ in the packets in the armor.
func packetFixtures(s Samples) []Fixture {
	fx := func(name, verdict, why string, data []byte) Fixture {
		return Fixture{Name: name, Why: why, Out: verdict, In: verdict, Message: core(armor(data))}
	}
	join := func(chunks ...[]byte) (out []byte) {
		for _, c := range chunks {
			out = append(out, c...)
		}
		return out
	}
	esk, data := newFormat(s.pkesk3), newFormat(s.seipd1)
	version := func(p pkt, v byte) pkt { return pkt{p.tag, append([]byte{v}, p.body[1:]...)} }
	return []Fixture{
		fx("pkesk-skesk-mixed", Pass, "Keys and passphrases in any order.", sequence(s.skesk4, s.pkesk3, s.skesk4, s.pkesk3, s.seipd1)),
		fx("old-format-two-bytes", Pass, "Old-format length of two bytes.", join(oldFormat(s.pkesk3, 1), data)),
		fx("old-format-four-bytes", Pass, "Old-format length of four bytes.", join(oldFormat(s.skesk4, 2), data)),
		fx("five-byte-length", Pass, "A length in more bytes than it needs has one meaning only.", join(esk, []byte{0xd2}, longLength(len(s.seipd1.body)), s.seipd1.body)),
		fx("partial-then-nothing", Pass, "Parts that end with a definite length of zero.", join(esk, partial(pkt{s.seipd1.tag, s.seipd1.body[:1024]}, 9, 9))),
		fx("small-later-parts", Pass, "Only the first part has a least size.", join(esk, partial(s.seipd1, 9, 0, 1, 2, 3))),

		fx("literal", Unencrypted, "A literal packet is the text itself.", sequence(s.literal)),
		fx("compressed", Unencrypted, "So is a compressed one.", sequence(s.compressed)),
		fx("signed-only", Unencrypted, "Signed is not encrypted.", sequence(s.signed...)),
		fx("sed", Unencrypted, "Encrypted data without integrity protection (tag 9) can be turned into other text.", sequence(s.pkesk3, s.sed)),
		fx("aead-gnupg", Unencrypted, "Tag 20 is GnuPG's own and in no standard; Delta Chat cannot read it.", sequence(s.skesk4, s.aead)),
		fx("only-session-key", Unencrypted, "A session key, and nothing encrypted with it.", esk),
		fx("no-session-key", Unencrypted, "Data that no one has the key to: it cannot be a message to someone.", data),
		fx("empty", Unencrypted, "No packet at all.", nil),
		fx("literal-before", Unencrypted, "Text before the encrypted data.", sequence(s.literal, s.pkesk3, s.seipd1)),
		fx("literal-between", Unencrypted, "Text between key and data.", sequence(s.pkesk3, s.literal, s.seipd1)),
		fx("literal-after", Unencrypted, "Text after the encrypted data.", sequence(s.pkesk3, s.seipd1, s.literal)),
		fx("data-twice", Unencrypted, "Encrypted data twice: readers take the first, the last or none.", sequence(s.pkesk3, s.seipd1, s.pkesk3, s.seipd1)),
		fx("byte-after", Unencrypted, "One byte after the end.", join(esk, data, []byte{0})),
		fx("marker", Unencrypted, "A marker packet is ignored by readers, and could hold text.", sequence(s.marker, s.pkesk3, s.seipd1)),
		fx("padding", Unencrypted, "Padding after the data.", sequence(s.pkesk6, s.seipd2, s.padding)),
		fx("unknown-tag", Unencrypted, "A tag that readers skip.", sequence(s.pkesk3, pkt{60, []byte(Text)}, s.seipd1)),
		fx("no-packet-bit", Unencrypted, "A byte that begins no packet.", join([]byte{0x12}, esk, data)),

		fx("data-truncated", Unencrypted, "The data end before their length says.", join(esk, data[:len(data)-1])),
		fx("header-truncated", Unencrypted, "The data end within a length.", join(esk, []byte{0xd2, 0xff, 0, 0})),
		fx("tag-alone", Unencrypted, "The data end after a tag.", join(esk, []byte{0xd2})),
		fx("length-beyond-end", Unencrypted, "A length of 4 GiB.", join(esk, []byte{0xd2}, longLength(0xffffffff), s.seipd1.body)),
		fx("length-too-short", Unencrypted, "The data continue after their length, like a packet.", join(esk, []byte{0xd2, 60}, s.seipd1.body)),
		fx("indeterminate", Unencrypted, "Old-format length \"to the end\": anything may follow inside.", join(oldFormat(s.pkesk3, 3), data)),
		fx("partial-without-end", Unencrypted, "A part, and then no length.", join(esk, partial(s.seipd1, 9)[:514])),
		fx("partial-session-key", Unencrypted, "Only data may come in parts.", join([]byte{0xc1, 224 + 9}, make([]byte, 512), []byte{0}, data)),
		fx("small-first-part", Unencrypted, "A first part below 512 bytes (RFC 9580, section 4.2.1.4).", join(esk, partial(s.seipd1, 8, 8))),

		fx("pkesk-version-2", Unencrypted, "No such PKESK.", sequence(version(s.pkesk3, 2), s.seipd1)),
		fx("skesk-version-5", Unencrypted, "No such SKESK in a standard.", sequence(version(s.skesk4, 5), s.seipd1)),
		fx("seipd-version-0", Unencrypted, "No such SEIPD.", sequence(s.pkesk3, version(s.seipd1, 0))),
		fx("seipd-version-3", Unencrypted, "No such SEIPD.", sequence(s.pkesk3, version(s.seipd1, 3))),
		fx("seipd-no-cipher", Unencrypted, "Cipher 0 means \"not encrypted\".", sequence(s.pkesk6, pkt{18, append([]byte{2, 0, 2, 6}, s.seipd2.body[4:]...)})),
		fx("seipd-bad-mode", Unencrypted, "No such mode.", sequence(s.pkesk6, pkt{18, append([]byte{2, 7, 4, 6}, s.seipd2.body[4:]...)})),
		fx("pkesk-fingerprint", Unencrypted, "The size of a fingerprint and the version of the key disagree.", sequence(pkt{1, append([]byte{6, s.pkesk6.body[1], 4}, s.pkesk6.body[3:]...)}, s.seipd2)),
		fx("pkesk-huge", Unencrypted, "A letter where a session key of unknown algorithm belongs.", sequence(pkt{1, append(append([]byte{}, s.pkesk3.body[:9]...), append([]byte{99}, strings.Repeat(Text, 200)...)...)}, s.seipd1)),
		fx("pkesk-unknown-algorithm", Pass, "New algorithms appear.", sequence(pkt{1, append(append([]byte{}, s.pkesk3.body[:9]...), append([]byte{99}, s.pkesk3.body[10:]...)...)}, s.seipd1)),
		fx("pkesk-noise", Pass, "What is in a session key is not looked at.", sequence(pkt{1, append(append([]byte{}, s.pkesk3.body[:10]...), s.seipd1.body[1:60]...)}, s.seipd1)),
		fx("seipd-2-too-short", Unencrypted, "Too short for the salt and the tag.", sequence(s.pkesk6, pkt{18, s.seipd2.body[:40]})),
		fx("skesk-no-cipher", Unencrypted, "Cipher 0 for the session key.", sequence(pkt{3, append([]byte{4, 0}, s.skesk4.body[2:]...)}, s.seipd1)),
		fx("empty-session-key", Unencrypted, "A session key of no bytes.", sequence(pkt{1, nil}, s.seipd1)),
	}
}

// armorFixtures differ in the armor around good packets.
func armorFixtures(s Samples) []Fixture {
	good := s.GoodArmor()
	lines := strings.SplitAfter(good, "\r\n")
	n := len(lines)
	sum := lines[n-3]
	filler := func(size int) []byte {
		return sequence(s.pkesk3, pkt{18, s.seipd1.body[:size]})
	}
	padded := func(rest int) []byte {
		o := filler(100)
		for len(o)%3 != rest {
			o = filler(len(o) - len(newFormat(s.pkesk3)) - 1)
		}
		return o
	}
	unpadded := padded(0)
	unbroken := strings.SplitAfter(armor(unpadded), "\r\n")
	one, two := armor(padded(1)), armor(padded(2))
	fx := func(name, verdict, why, armor string) Fixture {
		return Fixture{Name: name, Why: why, Out: verdict, In: verdict, Message: core(armor)}
	}
	last := lines[2]
	return []Fixture{
		fx("padding-two", Pass, "Two padding characters.", one),
		fx("padding-one", Pass, "One padding character.", two),
		fx("no-padding", Pass, "No padding.", armor(unpadded)),
		fx("no-checksum", Pass, "The checksum is optional.", s.Edit(good, sum, "")),
		fx("wrong-checksum", Pass, "A wrong checksum is not an error (RFC 9580, section 6.1): it says nothing about the content.", s.Edit(good, sum, "=AAAA\r\n")),
		fx("lines-of-76", Pass, "Lines of 76.", strings.Join(rewrap(lines[2:n-3], 76, good), "")),
		fx("lines-of-61", Pass, "Lines that do not end with a group of four.", strings.Join(rewrap(unbroken[2:len(unbroken)-3], 61, armor(unpadded)), "")),
		fx("lines-of-96", Pass, "The longest lines that all readers take.", strings.Join(rewrap(lines[2:n-3], 96, good), "")),
		fx("lines-of-97", Unencrypted, "Longer lines.", strings.Join(rewrap(lines[2:n-3], 97, good), "")),
		fx("lines-around", Pass, "Empty lines around the armor.", "\r\n\r\n"+good+"\r\n\r\n"),

		fx("checksum-short", Unencrypted, "A checksum of three characters.", s.Edit(good, sum, "=AAA\r\n")),
		fx("checksum-long", Unencrypted, "A checksum of five characters.", s.Edit(good, sum, "=AAAAA\r\n")),
		fx("checksum-not-base64", Unencrypted, "A checksum outside the alphabet.", s.Edit(good, sum, "=AA A\r\n")),
		fx("checksum-twice", Unencrypted, "Two checksums.", s.Edit(good, sum, sum+sum)),
		fx("checksum-early", Unencrypted, "Data after the checksum.", s.Edit(good, last, last+sum)),
		fx("no-tail", Unencrypted, "No tail: some readers see no message.", s.Edit(good, "-----END PGP MESSAGE-----\r\n", "")),
		fx("wrong-tail", Unencrypted, "The tail of something else.", s.Edit(good, "-----END PGP MESSAGE-----", "-----END PGP SIGNATURE-----")),
		fx("tail-padded", Unencrypted, "White space after the tail.", s.Edit(good, "-----END PGP MESSAGE-----", "-----END PGP MESSAGE----- ")),
		fx("no-head", Unencrypted, "No head.", s.Edit(good, "-----BEGIN PGP MESSAGE-----\r\n", "")),
		fx("wrong-head", Unencrypted, "The head of a signed text.", s.Edit(good, "-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP SIGNED MESSAGE-----")),
		fx("part-head", Unencrypted, "One of several parts.", s.Edit(good, "-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP MESSAGE, PART 1/2-----")),
		fx("lower-case-head", Unencrypted, "Readers differ on case.", s.Edit(good, "-----BEGIN PGP MESSAGE-----", "-----begin pgp message-----")),
		fx("two-armors", Unencrypted, "Two messages.", good+good),
		fx("literal-armor-after", Unencrypted, "Text in a second armor.", good+armor(sequence(s.literal))),
		fx("text-before", Unencrypted, "Text before the armor.", Text+good),
		fx("text-after", Unencrypted, "Text after the armor.", good+Text),
		fx("text-inside", Unencrypted, "Text among the data.", s.Edit(good, last, last+Text)),
		fx("not-base64", Unencrypted, "A byte outside the alphabet.", s.Edit(good, last, "!"+last[1:])),
		fx("base64url", Unencrypted, "The alphabet of URLs.", s.Edit(good, last, "-_"+last[2:])),
		fx("nul", Unencrypted, "A NUL among the data.", s.Edit(good, last, "\x00"+last[1:])),
		fx("high-bit", Unencrypted, "A byte with its high bit set, which some decoders cut off.", s.Edit(good, last, string([]byte{last[0] | 0x80})+last[1:])),
		fx("indented", Unencrypted, "White space before the data.", s.Edit(good, last, " "+last)),
		fx("trailing-space", Unencrypted, "White space after the data.", s.Edit(good, last, strings.TrimSpace(last)+" \r\n")),
		fx("empty-line-inside", Unencrypted, "An empty line in the data ends them for some.", s.Edit(good, last, last+"\r\n")),
		fx("padding-inside", Unencrypted, "Data after padding.", s.Edit(one, "==\r\n", "==\r\nAAAA\r\n")),
		fx("padding-short", Unencrypted, "Padding of one where two belong.", s.Edit(one, "==\r\n", "=\r\n")),
		fx("padding-missing", Unencrypted, "No padding where two belong.", s.Edit(one, "==\r\n", "\r\n")),
		fx("padding-long", Unencrypted, "Three padding characters.", s.Edit(one, "==\r\n", "===\r\n")),
		fx("padding-on-its-own", Unencrypted, "Padding on a line of its own looks like a checksum.", s.Edit(one, "==\r\n", "\r\n==\r\n")),
		fx("padding-bits", Unencrypted, "Bits that padding drops are a place to hide something.", s.Edit(one, one[strings.Index(one, "==\r\n")-1:strings.Index(one, "==\r\n")+2], "/==")),
		fx("no-empty-line", Unencrypted, "Data right after the head: some take them for armor headers.", s.Edit(good, "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\n")),
		{Name: "header-without-empty-line", Why: "An armor header and no empty line after it.",
			Out: Unencrypted, In: Unencrypted, Message: core(s.Edit(good, "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\nVersion: 1\r\n"))},
		{Name: "header-malformed", Why: "An armor header that is none.",
			Out: Unencrypted, In: Unencrypted, Message: core(s.Edit(good, "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\nhello there\r\n\r\n"))},
		{Name: "headers-long", Why: "A letter in armor headers.",
			Out: Unencrypted, In: Unencrypted, Message: core(s.Edit(good, "MESSAGE-----\r\n\r\n", "MESSAGE-----\r\n"+strings.Repeat("Comment: Meet me at the old mill, at noon.\r\n", 20)+"\r\n"))},
		fx("bare-lf", Unencrypted, "A line that ends with LF alone.", s.Edit(good, last, strings.TrimSpace(last)+"\n")),
		fx("bare-cr", Unencrypted, "A CR within a line.", s.Edit(good, last, last[:20]+"\r"+last[20:])),
		fx("long-line", Unencrypted, "A line beyond what SMTP allows.", s.Edit(good, last, strings.Repeat("A", 1000)+"\r\n")),
	}
}

// rewrap breaks the data of an armor into other lines, and puts what is around them back.
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

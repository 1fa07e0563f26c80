package mailfilter_test

import (
	"strings"
	"testing"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/mailtest"
)

// client is how a program writes an encrypted message: the value of Content-Type,
// with BOUNDARY for the boundary, what is before the first part, the headers of the
// two parts, the version, and armor headers.
type client struct {
	name, boundary, contentType, preamble string
	versionPart, version, dataPart, armor string
	after                                 string
}

// clients are the programs of the field beside Delta Chat, as their sources say that
// they write; realFixtures has some more.
var clients = []client{
	{
		name: "Thunderbird 140", boundary: "------------dMZ1tVbW2ZC0l9jI8uQ3xk5s",
		contentType: "multipart/encrypted;\r\n protocol=\"application/pgp-encrypted\";\r\n boundary=\"BOUNDARY\"",
		preamble:    "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME version identification\r\n",
		version:     "Version: 1\r\n\r\n",
		dataPart:    "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\nContent-Description: OpenPGP encrypted message\r\nContent-Disposition: inline; filename=\"encrypted.asc\"\r\n",
	},
	{
		name: "K-9 with OpenKeychain", boundary: "----KYR3WQ9XJ5PFD2V0TZ0AUB6QH3XN0C",
		contentType: "multipart/encrypted; boundary=\"BOUNDARY\";\r\n  protocol=\"application/pgp-encrypted\"",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Transfer-Encoding: 7bit\r\n", version: "Version: 1\r\n",
		dataPart: "Content-Type: application/octet-stream;\r\n name=\"encrypted.asc\"\r\nContent-Transfer-Encoding: 7bit\r\nContent-Disposition: inline;\r\n filename=\"encrypted.asc\"\r\n",
		armor:    "Version: OpenKeychain v5.7.5\r\n",
	},
	{
		name: "Enigmail", boundary: "FzpOhr4ITduE8BF3KCYcp2XgW0TJZJfGw",
		contentType: "multipart/encrypted; boundary=\"BOUNDARY\"; protocol=\"application/pgp-encrypted\"",
		preamble:    "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: 7Bit\r\n",
		version:     "Version: 1\r\n\r\n",
		dataPart:    "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\nContent-Description: OpenPGP encrypted message\r\nContent-Disposition: inline; filename=\"encrypted.asc\"\r\nContent-Transfer-Encoding: 7Bit\r\n",
		armor:       "Charset: utf-8\r\nVersion: GnuPG v2\r\nComment: Using GnuPG with Thunderbird - https://www.enigmail.net/\r\n",
	},
	{
		name: "Apple Mail with GPGTools", boundary: "Apple-Mail=_5B0C3F1E-8A4D-4E0B-9E7B-0D6F2A1C9B3E",
		contentType: "multipart/encrypted;\r\n\tprotocol=\"application/pgp-encrypted\";\r\n\tboundary=\"BOUNDARY\"",
		preamble:    "This is an OpenPGP/MIME encrypted message (RFC 2440 and 3156)\r\n",
		versionPart: "Content-Transfer-Encoding: 7bit\r\nContent-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME Versions Identification\r\n",
		version:     "Version: 1\r\n\r\n",
		dataPart:    "Content-Transfer-Encoding: 7bit\r\nContent-Disposition: inline;\r\n\tfilename=encrypted.asc\r\nContent-Type: application/octet-stream;\r\n\tname=encrypted.asc\r\nContent-Description: OpenPGP encrypted message\r\n",
		armor:       "Version: GnuPG/MacGPG2 v2.2.41\r\nComment: GPGTools - https://gpgtools.org\r\n",
		after:       "\r\n",
	},
	{
		name: "Mailvelope", boundary: "VJy1xmUqQXMcVgCEMqvSDGJPhVn5eO4s",
		contentType: "multipart/encrypted; protocol=\"application/pgp-encrypted\";boundary=BOUNDARY",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Transfer-Encoding: 7bit\r\nContent-Description: PGP/MIME Versions Identification\r\n",
		version:     "Version: 1\r\n",
		dataPart:    "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\nContent-Transfer-Encoding: 7bit\r\nContent-Disposition: inline; filename=\"encrypted.asc\"\r\nContent-Description: OpenPGP encrypted message\r\n",
		armor:       "Version: Mailvelope v4.4.1\r\nComment: https://www.mailvelope.com\r\n",
	},
	{
		name: "ProtonMail", boundary: "---------------------5f0b3a1c9d2e4f60718293a4b5c6d7e8",
		contentType: "multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"BOUNDARY\"; charset=utf-8",
		preamble:    "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME version identification\r\n",
		version:     "Version: 1\r\n\r\n",
		dataPart:    "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\nContent-Description: OpenPGP encrypted message\r\nContent-Disposition: inline; filename=\"encrypted.asc\"\r\n",
		armor:       "Version: ProtonMail\r\nComment: https://proton.me\r\n",
	},
	{
		name: "Evolution", boundary: "=-2y9CoJ0MQ5UYkq3D5y1N",
		contentType: "multipart/encrypted; protocol=\"application/pgp-encrypted\"; \r\n\tboundary=\"BOUNDARY\"",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Transfer-Encoding: 7bit\r\n", version: "Version: 1\r\n\r\n",
		dataPart: "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\nContent-Description: This is a digitally encrypted message part\r\nContent-Transfer-Encoding: 7bit\r\n",
	},
	{
		name: "KMail", boundary: "nextPart2164817.irdbgypaU6",
		contentType: "multipart/encrypted; boundary=\"BOUNDARY\"; protocol=\"application/pgp-encrypted\"",
		preamble:    "This is a multi-part message in MIME format.\r\n\r\n",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: 7Bit\r\n",
		version:     "Version: 1\r\n",
		dataPart:    "Content-Type: application/octet-stream\r\nContent-Disposition: inline; filename=\"msg.asc\"\r\nContent-Transfer-Encoding: 7Bit\r\n",
	},
	{
		name: "mutt", boundary: "vG+s+6kT+x1zA2",
		contentType: "multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n\tboundary=\"BOUNDARY\"",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Disposition: attachment\r\n", version: "Version: 1\r\n\r\n",
		dataPart: "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"msg.asc\"\r\n",
	},
	{
		name: "FlowCrypt", boundary: "----sinikael-?=_1-16947520384450.31415926",
		contentType: "multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n boundary=\"BOUNDARY\"",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME version identification\r\nContent-Transfer-Encoding: 7bit\r\n",
		version:     "Version: 1\r\n",
		dataPart:    "Content-Type: application/octet-stream; name=encrypted.asc\r\nContent-Disposition: inline; filename=encrypted.asc\r\nContent-Description: OpenPGP encrypted message\r\nContent-Transfer-Encoding: 7bit\r\n",
		armor:       "Version: FlowCrypt Email Encryption 8.5.9\r\nComment: Seamlessly send and receive encrypted email\r\n",
	},
	{
		name: "Delta Chat 1.40", boundary: "ZMl2jrAJmIjPjW0gNVXyPTfqgxZ3dN",
		contentType: "multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"BOUNDARY\"",
		versionPart: "Content-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME version identification\r\n", version: "Version: 1\r\n\r\n",
		dataPart: "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\nContent-Description: OpenPGP encrypted message\r\nContent-Disposition: inline; filename=\"encrypted.asc\";\r\n",
		after:    "\r\n",
	},
	{
		name: "GpgOL", boundary: "=-=rTqfJmGx0h3b1Y=-=",
		contentType: "multipart/encrypted;\r\n\tprotocol=\"application/pgp-encrypted\";\r\n\tboundary=\"BOUNDARY\"",
		versionPart: "Content-Type: application/pgp-encrypted\r\n", version: "Version: 1\r\n",
		dataPart: "Content-Type: application/octet-stream\r\nContent-Disposition: inline;\r\n\tfilename=\"openpgp-encrypted-message.asc\"\r\n",
	},
}

func (c client) message(armor string) string {
	armor = strings.Replace(armor, "MESSAGE-----\r\n", "MESSAGE-----\r\n"+c.armor, 1)
	d := "--" + c.boundary
	return "From: Alice <alice@chat.example>\r\nTo: bob@chat.example\r\nDate: Sat, 14 Nov 2026 09:30:00 +0000\r\n" +
		"Message-ID: <client@chat.example>\r\nMIME-Version: 1.0\r\nSubject: ...\r\nContent-Language: en-US\r\n" +
		"Content-Type: " + strings.Replace(c.contentType, "BOUNDARY", c.boundary, 1) + "\r\n\r\n" + c.preamble +
		d + "\r\n" + c.versionPart + "\r\n" + c.version + d + "\r\n" + c.dataPart + "\r\n" + armor + "\r\n" + d + "--\r\n" + c.after
}

// TestClients holds that the programs of the field can write to our users and, with
// an account here, to others; and that each reader sees the same in what they write.
func TestClients(t *testing.T) {
	armor := mailtest.NewSamples(t).GoodArmor()
	env := mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}
	for _, c := range clients {
		text := c.message(armor)
		for dir, policy := range policies(t) {
			if got, err := verdict(policy, env, []byte(text)); got != mailtest.Pass {
				t.Errorf("%s: %s: got %q, %v", c.name, dir, got, err)
			}
		}
		if err := sameReading(text); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

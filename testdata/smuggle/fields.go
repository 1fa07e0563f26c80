package smuggle

import "strings"

// removed hide the text in header fields of an encrypted message.
var removed = []attempt{
	{name: "fields", change: func(l *letter) {
		for _, name := range strings.Fields(`Subject To Cc Sender Reply-To Comments Keywords Thread-Topic Organization X-Note MIME-Version Message-ID
			In-Reply-To References X-Microsoft-Original-Message-ID Date Resent-Date Received Content-Language Content-Note
			Chat-Version Chat-Content Chat-Group-Name Chat-Is-Post-Message Autocrypt Autocrypt-Gossip Autocrypt-Setup-Message
			Secure-Join-Group Auto-Submitted Precedence List-Id List-Post List-Help`) {
			l.top += name + ": " + line
		}
		l.top += "To: " + Text + ": ;\r\nCc: <x@y.invalid>, " + line + "Reply-To: <" + Text + ">\r\nSender: x@y.invalid (" + Text + ")\r\n" +
			"Message-ID: <" + Text + ">\r\nReferences: <x@y.invalid> " + line + "List-Id: " + Text + " <x.y.invalid>\r\n" +
			"Autocrypt: addr=x@y.invalid; keydata=" + line + "Date: Sat, 14 Nov 2026 09:30:00 +0000 (" + Text + ")\r\n"
	}},
	{name: "folded fields", change: func(l *letter) {
		l.top = "Message-ID:\r\n " + line + "References: <x@y.invalid>\r\n\t" + line + "Date: 14 Nov 2026 09:30\r\n +0000\r\n " + line +
			"Chat-Version: 1.0\r\n " + line + "MIME-Version: 1.0\r\n " + line + "Auto-Submitted: no\r\n " + line
	}},
}

// Removed returns messages that pass, with the text where nobody gets it: the relay
// removes these fields.
func Removed(from, to, armor string) []Message { return render(removed, from, to, armor) }

package relay

import (
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// TestVectors reads the messages of RFC 5769 with the library that ours are read with.
func TestVectors(t *testing.T) {
	short := stun.NewShortTermIntegrity("VOkJxbRl1RmTxUk/WvJxBt")
	// U+30DE U+30C8 U+30EA U+30C3 U+30AF U+30B9, and the password after SASLprep.
	long := stun.MessageIntegrity(turn.GenerateAuthKey("\u30de\u30c8\u30ea\u30c3\u30af\u30b9", "example.org", "TheMatrIX"))
	for _, tt := range []struct {
		name, message string
		key           stun.MessageIntegrity
		fingerprint   bool
		mapped        string
	}{
		{"request (§2.1)", `000100582112a442b7e7a701bc34d686fa87dfae 802200105354554e207465737420636c69656e74
			002400046e0001ff 80290008932ff9b151263b36 000600096576746a3a68367659202020
			000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004e57a3bcf`, short, true, ""},
		{"IPv4 response (§2.2)", `0101003c2112a442b7e7a701bc34d686fa87dfae 8022000b7465737420766563746f7220
			002000080001a147e112a643 000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004c07d4c96`, short, true, "192.0.2.1:32853"},
		{"IPv6 response (§2.3)", `010100482112a442b7e7a701bc34d686fa87dfae 8022000b7465737420766563746f7220
			002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9 00080014a382954e4be67bf11784c97c8292c275bfe3ed41 80280004c8fb0b4c`, short, true, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"},
		{"request with long-term authentication (§2.4)", `000100602112a44278ad3433c6ad72c029da412e 00060012e3839ee38388e383aae38383e382afe382b90000
			0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700
			00080014f67024656dd64a3e02b8e0712e85c9a28ca89666`, long, false, ""},
	} {
		raw, err := hex.DecodeString(strings.Join(strings.Fields(tt.message), ""))
		if err != nil {
			t.Fatal(err)
		}
		m := &stun.Message{Raw: raw}
		if err := m.Decode(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if err := tt.key.Check(m); err != nil {
			t.Errorf("%s: integrity: %v", tt.name, err)
		}
		if err := stun.Fingerprint.Check(m); tt.fingerprint && err != nil {
			t.Errorf("%s: fingerprint: %v", tt.name, err)
		}
		var mapped stun.XORMappedAddress
		if err := mapped.GetFrom(m); tt.mapped != "" && (err != nil || mapped.String() != tt.mapped) {
			t.Errorf("%s: got %v, %v, want %s", tt.name, mapped, err, tt.mapped)
		}
		m.Raw[len(m.Raw)-30] ^= 1
		if m.Decode() == nil && tt.key.Check(m) == nil {
			t.Errorf("%s: a changed message passes", tt.name)
		}
	}
}

// TestIrohProbe asks as an iroh client does that wants to know where it is seen from
// (iroh-relay 0.35, src/protos/stun.rs): without credentials, and with a fingerprint.
func TestIrohProbe(t *testing.T) {
	address, _, _ := start(t, nil)
	conn, err := net.Dial("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	if _, err := conn.Write(request.Raw); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1500)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	answer := &stun.Message{Raw: buf[:n]}
	if err := answer.Decode(); err != nil || answer.Type != stun.BindingSuccess || answer.TransactionID != request.TransactionID {
		t.Fatalf("got %v, %v", answer, err)
	}
	var mapped stun.XORMappedAddress
	if err := mapped.GetFrom(answer); err != nil || mapped.String() != conn.LocalAddr().String() {
		t.Errorf("got %v, %v, want %v", mapped, err, conn.LocalAddr())
	}
}

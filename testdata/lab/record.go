package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// typeNames are the record types that a zone can hold.
var typeNames = map[dnsmessage.Type]string{
	dnsmessage.TypeA:     "A",
	dnsmessage.TypeAAAA:  "AAAA",
	dnsmessage.TypeMX:    "MX",
	dnsmessage.TypeTXT:   "TXT",
	dnsmessage.TypeCNAME: "CNAME",
	dnsmessage.TypeNS:    "NS",
	dnsmessage.TypePTR:   "PTR",
	dnsmessage.TypeSRV:   "SRV",
	dnsmessage.TypeSOA:   "SOA",
	typeCAA:              "CAA",
}

func typeOf(b dnsmessage.ResourceBody) dnsmessage.Type {
	switch b := b.(type) {
	case *dnsmessage.AResource:
		return dnsmessage.TypeA
	case *dnsmessage.AAAAResource:
		return dnsmessage.TypeAAAA
	case *dnsmessage.MXResource:
		return dnsmessage.TypeMX
	case *dnsmessage.TXTResource:
		return dnsmessage.TypeTXT
	case *dnsmessage.CNAMEResource:
		return dnsmessage.TypeCNAME
	case *dnsmessage.NSResource:
		return dnsmessage.TypeNS
	case *dnsmessage.PTRResource:
		return dnsmessage.TypePTR
	case *dnsmessage.SRVResource:
		return dnsmessage.TypeSRV
	case *dnsmessage.SOAResource:
		return dnsmessage.TypeSOA
	case *dnsmessage.UnknownResource:
		return b.Type
	}
	return 0
}

// parseRecord reads the data of a record as it stands in a zone file.
func parseRecord(kind, data string) (dnsmessage.ResourceBody, error) {
	fields := strings.Fields(data)
	want := map[string]int{"A": 1, "AAAA": 1, "CNAME": 1, "NS": 1, "PTR": 1, "MX": 2, "SRV": 4, "CAA": 3}
	kind = strings.ToUpper(kind)
	if n := want[kind]; n != 0 && kind != "CAA" && len(fields) != n {
		return nil, fmt.Errorf("want %d fields", n)
	}
	switch kind {
	case "A", "AAAA":
		return parseAddress(kind, fields[0])
	case "TXT":
		texts, err := parseTexts(data)
		return &dnsmessage.TXTResource{TXT: texts}, err
	case "CNAME":
		name, err := dnsmessage.NewName(canonical(fields[0]))
		return &dnsmessage.CNAMEResource{CNAME: name}, err
	case "NS":
		name, err := dnsmessage.NewName(canonical(fields[0]))
		return &dnsmessage.NSResource{NS: name}, err
	case "PTR":
		name, err := dnsmessage.NewName(canonical(fields[0]))
		return &dnsmessage.PTRResource{PTR: name}, err
	case "MX":
		numbers, name, err := parseNumbersAndName(fields)
		if err != nil {
			return nil, err
		}
		return &dnsmessage.MXResource{Pref: numbers[0], MX: name}, nil
	case "SRV":
		numbers, name, err := parseNumbersAndName(fields)
		if err != nil {
			return nil, err
		}
		return &dnsmessage.SRVResource{Priority: numbers[0], Weight: numbers[1], Port: numbers[2], Target: name}, nil
	case "CAA":
		return parseCAA(data)
	}
	return nil, errors.New("unknown type")
}

func parseAddress(kind, text string) (dnsmessage.ResourceBody, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return nil, err
	case kind == "A" && a.Is4():
		return &dnsmessage.AResource{A: a.As4()}, nil
	case kind == "AAAA" && a.Is6():
		return &dnsmessage.AAAAResource{AAAA: a.As16()}, nil
	}
	return nil, errors.New("the address is of the other family")
}

func parseNumbersAndName(fields []string) ([]uint16, dnsmessage.Name, error) {
	last := len(fields) - 1
	var numbers []uint16
	for _, f := range fields[:last] {
		n, err := strconv.ParseUint(f, 10, 16)
		if err != nil {
			return nil, dnsmessage.Name{}, err
		}
		numbers = append(numbers, uint16(n))
	}
	name, err := dnsmessage.NewName(canonical(fields[last]))
	return numbers, name, err
}

// parseTexts reads quoted strings, which may lie side by side, or one bare text
// to the end of the line; what is too long for one string is split.
func parseTexts(data string) ([]string, error) {
	parts := []string{data}
	if strings.HasPrefix(data, `"`) {
		parts = nil
		for data = strings.TrimSpace(data); data != ""; data = strings.TrimSpace(data) {
			quoted, err := strconv.QuotedPrefix(data)
			if err != nil {
				return nil, fmt.Errorf("reading a quoted string: %w", err)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("reading a quoted string: %w", err)
			}
			parts, data = append(parts, text), data[len(quoted):]
		}
	}
	var texts []string
	for _, p := range parts {
		for len(p) > maxString {
			texts, p = append(texts, p[:maxString]), p[maxString:]
		}
		texts = append(texts, p)
	}
	return texts, nil
}

// parseCAA reads `0 issue "ca.example"` into wire format (RFC 8659, 4.1).
func parseCAA(data string) (dnsmessage.ResourceBody, error) {
	flags, rest := cutField(data)
	tag, value := cutField(rest)
	n, err := strconv.ParseUint(flags, 10, 8)
	if err != nil {
		return nil, err
	}
	texts, err := parseTexts(value)
	if err != nil {
		return nil, err
	}
	wire := append([]byte{byte(n), byte(len(tag))}, tag...)
	return &dnsmessage.UnknownResource{Type: typeCAA, Data: append(wire, strings.Join(texts, "")...)}, nil
}

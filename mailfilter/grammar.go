package mailfilter

import "strings"

// media are media types in lower case, each with the parameters that it may have.
type media map[string]params

// params are names of parameters, each with what its value may be.
type params map[string]func(string) bool

// allow says whether a parameter may have that value. The case of its name does
// not matter.
func (ps params) allow(name, value string) bool {
	ok := ps[lowerString(name)]
	return ok != nil && ok(value)
}

// The types of a whole message that is judged by its parts, and the parameters
// that programs give them.
var (
	encryptedType = media{"multipart/encrypted": {
		"boundary": isBoundary, "protocol": oneOf("application/pgp-encrypted"), "charset": isCharset,
		"protected-headers": oneOf("v1"), "hp": oneOf("cipher"),
	}}
	requestType = media{
		"text/plain":      textParams,
		"multipart/mixed": {"boundary": isBoundary, "charset": isCharset},
	}
	setupType  = media{"multipart/mixed": {"boundary": isBoundary, "charset": isCharset}}
	reportType = media{"multipart/report": {
		"boundary": isBoundary, "report-type": isDelivery, "charset": isCharset, "differences": isWord,
	}}
)

// form is what the header of a part may be.
type form struct {
	types     media
	free      bool              // the description is any short text
	untyped   bool              // it may have no type, and is text then (RFC 2046, section 5.1)
	encodings func(string) bool // of the content, besides those that change nothing
}

// The forms of parts. Reports are bounded as a whole; see report.go.
var (
	textParams = params{"charset": isCharset, "format": oneOf("flowed", "fixed"), "delsp": oneOf("yes", "no")}
	fileParams = params{"charset": isCharset, "name": isFileName}

	versionPart = form{types: media{"application/pgp-encrypted": fileParams}}
	dataPart    = form{types: media{"application/octet-stream": fileParams}}
	requestPart = form{types: media{"text/plain": textParams}}

	setupTextPart = form{encodings: isEncoding, types: media{"text/plain": textParams}}
	setupPart     = form{encodings: isEncoding, types: media{
		"text/plain": textParams, "multipart/mixed": setupType["multipart/mixed"],
	}}
	keysPart = form{encodings: isBase64, types: media{"application/autocrypt-setup": fileParams}}

	noticePart = form{free: true, encodings: isEncoding, untyped: true, types: media{
		"text/plain":            {"charset": isWord, "format": isWord, "delsp": isWord},
		"text/html":             {"charset": isWord},
		"multipart/alternative": {"boundary": isBoundary, "differences": isWord, "charset": isWord},
		"multipart/related":     {"boundary": isBoundary, "type": isWord, "charset": isWord},
	}}
	statusPart = form{free: true, types: media{
		"message/delivery-status": fileParams, "message/global-delivery-status": fileParams,
	}}
	returnedPart = form{free: true, types: media{
		"message/rfc822": fileParams, "message/global": fileParams,
		"text/rfc822-headers": fileParams, "message/global-headers": fileParams,
	}}
)

// dispositionParams are the parameters of Content-Disposition (RFC 2183).
var dispositionParams = params{"filename": isFileName}

var (
	isDisposition = oneOf("inline", "attachment")
	isEncoding    = oneOf("base64", "quoted-printable")
	isBase64      = oneOf("base64")

	// isDescription allows what programs call the parts of an encrypted message.
	isDescription = oneOf("PGP/MIME version identification", "PGP/MIME Versions Identification",
		"OpenPGP/MIME Versions Identification", "OpenPGP encrypted message", "This is a digitally encrypted message part")
)

// allow says whether a part may have a field. What its Content-Type says is for
// the reader of the part to judge.
func (f form) allow(name, value []byte) bool {
	switch {
	case equalFold(name, "Content-Type"):
		return true
	case equalFold(name, "Content-Transfer-Encoding"):
		return isIdentity(value) || f.encodings != nil && f.encodings(string(value))
	case equalFold(name, "Content-Disposition"):
		kind, rest, _ := strings.Cut(string(value), ";")
		_, ok := parseParams(rest, dispositionParams)
		return ok && isDisposition(kind)
	case equalFold(name, "Content-Description"):
		text := string(value)
		return isDescription(text) || f.free && isName(text, maxBoundary, " ._-/:'()")
	case equalFold(name, "Content-ID"), equalFold(name, "Message-ID"):
		// Delta Chat repeats the Message-ID in the part of a SecureJoin request.
		id, ok := strings.CutPrefix(string(value), "<")
		id, closed := strings.CutSuffix(id, ">")
		return ok && closed && isName(id, maxBoundary, "@._+-=$")
	case equalFold(name, "Content-Language"):
		return isName(string(value), maxWord, "-")
	case equalFold(name, "MIME-Version"):
		return string(value) == "1.0"
	}
	return false
}

// isIdentity says whether an encoding is one that changes nothing (RFC 2045,
// section 6.2).
func isIdentity(encoding []byte) bool {
	return equalFold(encoding, "7bit") || equalFold(encoding, "8bit") || equalFold(encoding, "binary")
}

// The greatest sizes in bytes: of a boundary (RFC 2046, section 5.1.1), of the name
// of a file, and of any other word.
const (
	maxBoundary = 70
	maxFileName = 40
	maxWord     = 40
)

// isBoundary allows what RFC 2046, section 5.1.1, does, but for the space, which is
// where lines are folded, and for what looks like an encoded word.
func isBoundary(s string) bool {
	return isName(s, maxBoundary, "'()+_,-./:=?") && !strings.Contains(s, "=?")
}

// isDelivery wants the case that Delta Chat does.
func isDelivery(s string) bool { return s == "delivery-status" }

func isFileName(s string) bool { return isName(s, maxFileName, "._-") }

func isWord(s string) bool { return isName(s, maxWord, "._-/,") }

// isCharset allows the charsets in which ASCII is ASCII and that mail programs
// write for it.
var isCharset = oneOf("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252")

// isName says whether s has between one and size bytes that are letters, digits or
// in others.
func isName(s string, size int, others string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte(others, s[i]) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= size
}

// oneOf returns a function that allows the given values, whatever their case.
func oneOf(values ...string) func(string) bool {
	return func(s string) bool {
		for _, v := range values {
			if equalFold(v, s) {
				return true
			}
		}
		return false
	}
}

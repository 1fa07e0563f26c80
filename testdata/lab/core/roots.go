package core

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"os"
)

// PublicRoot is the name of a public authority for which one of the lab's can stand: the
// core trusts those alone that it was built with. The key of this one, of Let's Encrypt, is
// on the curve P-384.
var PublicRoot = pkix.Name{
	Country: []string{"US"}, Organization: []string{"Internet Security Research Group"}, CommonName: "ISRG Root X2",
}

// rootAlgorithm is what lies between the name and the point of such a key, as the library
// that has the roots lays them out (webpki-roots: a name's and a key's DER without their
// outermost headers).
const rootAlgorithm = "301006072a8648ce3d020106052b81040022036200"

// Trusting copies the program to a file, with another key for PublicRoot.
func Trusting(executable, file string, key *ecdsa.PublicKey) error {
	program, err := os.ReadFile(executable)
	if err != nil {
		return err
	}
	before, err := hex.DecodeString(rootAlgorithm)
	if err != nil {
		return err
	}
	before = append([]byte(PublicRoot.CommonName), before...)
	point, err := key.Bytes()
	if err != nil {
		return err
	}
	if n := bytes.Count(program, before); n != 1 {
		return fmt.Errorf("%s has %d roots %s, want one", executable, n, PublicRoot.CommonName)
	}
	copy(program[bytes.Index(program, before)+len(before):], point)
	return os.WriteFile(file, program, 0o755)
}

package dkim

// fault is why a signature does not count, and what the operator of its signer can do
// about it. The words go into replies: they repeat nothing of the message.
type fault struct{ what, remedy string }

func (f fault) Error() string { return f.what + "; " + f.remedy }

// What is wrong with a signature.
var (
	errVersion    error = fault{"unknown version", "sign with v=1"}
	errAlgorithm  error = fault{"algorithm is neither rsa-sha256 nor ed25519-sha256", "sign with rsa-sha256"}
	errCanonical  error = fault{"unknown canonicalization", "sign with c=relaxed/relaxed"}
	errQuery      error = fault{"unknown query method", "leave out q="}
	errLength     error = fault{"signature covers a part of the body only (l=)", "sign without l="}
	errUncovered  error = fault{"signature does not cover From", "name From in h="}
	errNames      error = fault{"signature names too many fields", "name fewer in h="}
	errIdentity   error = fault{"identity (i=) is not of the signing domain", "leave out i="}
	errSelector   error = fault{"malformed selector or domain", "correct s= and d="}
	errTime       error = fault{"malformed time", "correct t= and x="}
	errExpired    error = fault{"signature has expired", "let x= be later, or send sooner"}
	errBodyHash   error = fault{"malformed body hash", "correct bh="}
	errSignature  error = fault{"malformed signature", "correct b="}
	errTags       error = fault{"malformed tags", "correct the DKIM-Signature field"}
	errBody       error = fault{"body was changed", "let nothing change a message after it was signed"}
	errHeaderSig  error = fault{"header was changed, or the key is another one", "let nothing change a message after it was signed, and publish the key that signs"}
	errFromFields error = fault{"not exactly one From field", "send one"}
	errDomain     error = fault{"no signature is of the author's domain", "sign with d= exactly the domain of From"}
)

// ErrFuture is why a signature does not count yet: it was made in the future, so that a
// clock is wrong.
var ErrFuture error = fault{"signature was made in the future", "set the clock"}

// What is wrong with a key.
var (
	errNoKey    error = fault{"the domain has no such key", "publish the TXT record SELECTOR._domainkey.DOMAIN"}
	errRevoked  error = fault{"key was revoked", "publish a key in p=, or sign with another selector"}
	errKey      error = fault{"malformed key", "correct the TXT record SELECTOR._domainkey.DOMAIN"}
	errKeySize  error = fault{"RSA key is too short or too long", "use one of 2048 bits"}
	errKeyType  error = fault{"key is of another algorithm", "publish the key that signs, with its k="}
	errKeyUse   error = fault{"key is not for mail, or not for SHA-256", "leave out s= and h="}
	errKeyExact error = fault{"key is not for identities below its domain", "leave out t=s, or i="}
)

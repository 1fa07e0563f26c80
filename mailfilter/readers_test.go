package mailfilter_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emersion/go-message"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/pgp/pgptest"
)

// sameReading says how the two readers differ, or what they show that may not be
// shown.
func sameReading(text string) error {
	model, err := mailparse(text)
	if err != nil {
		return err
	}
	other, err := library(text)
	if err != nil {
		return err
	}
	if err := model.equal(other); err != nil {
		return err
	}
	return model.private()
}

// library reads a message as go-message does.
func library(text string) (*entity, error) {
	e, err := message.Read(strings.NewReader(text))
	if err != nil && !message.IsUnknownCharset(err) {
		return nil, fmt.Errorf("go-message: %w", err)
	}
	return fromLibrary(e)
}

func fromLibrary(m *message.Entity) (*entity, error) {
	e := &entity{media: "text/plain"}
	if m.Header.Has("Content-Type") {
		var err error
		if e.media, e.params, err = m.Header.ContentType(); err != nil {
			return nil, fmt.Errorf("go-message: %w", err)
		}
	}
	r := m.MultipartReader()
	if r == nil {
		body, err := io.ReadAll(m.Body)
		e.body = string(body)
		return e, err
	}
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			return e, nil
		}
		if err != nil && !message.IsUnknownCharset(err) {
			return nil, fmt.Errorf("go-message: %w", err)
		}
		child, err := fromLibrary(p)
		if err != nil {
			return nil, err
		}
		e.children = append(e.children, child)
	}
}

// equal compares what can be shown of two readings. The notice of a report and the
// text of a setup message, their first parts, may be encoded and say anything.
func (e *entity) equal(other *entity) error {
	if e.media != other.media || len(e.children) != len(other.children) {
		return fmt.Errorf("%s of %d parts to one reader, %s of %d to another", e.media, len(e.children), other.media, len(other.children))
	}
	if len(e.children) == 0 {
		body, err := e.decoded()
		if err != nil {
			return err
		}
		if strings.TrimRight(body, "\r\n") != strings.TrimRight(other.body, "\r\n") {
			return fmt.Errorf("%q to one reader, %q to another", body, other.body)
		}
	}
	for i, c := range e.children {
		if i == 0 && (e.media == "multipart/report" || e.list() == setupParts) {
			continue
		}
		if err := c.equal(other.children[i]); err != nil {
			return err
		}
	}
	return nil
}

// private says what of a message can be read that may not be.
func (e *entity) private() error {
	for _, c := range e.children {
		if err := c.described(e.media == "multipart/report"); err != nil {
			return err
		}
	}
	if err := e.silent(); err != nil {
		return err
	}
	switch list := e.list(); {
	case e.media == "multipart/encrypted" && list == "application/pgp-encrypted application/octet-stream":
		return e.encrypted()
	case e.media == "multipart/report" && len(e.children) > 1 && strings.Contains(e.children[1].media, "delivery-status"):
		return e.report()
	case e.media == "multipart/mixed" && list == "multipart/mixed" && e.children[0].list() == setupParts:
		return e.children[0].private()
	case e.media == "multipart/mixed" && list == setupParts:
		html, err := e.children[1].decoded()
		return errors.Join(err, setupText(e.children[0].body, html))
	case e.media == "multipart/mixed" && list == "text/plain":
		return requestText(e.children[0].body)
	case e.media == "text/plain":
		return requestText(e.body)
	default:
		return fmt.Errorf("%s of %q", e.media, list)
	}
}

// setupParts is the list of an Autocrypt Setup Message.
const setupParts = "text/plain application/autocrypt-setup"

// list returns the types of the parts.
func (e *entity) list() string {
	kinds := make([]string, len(e.children))
	for i, c := range e.children {
		kinds[i] = c.media
	}
	return strings.Join(kinds, " ")
}

// silent says what is before the first part.
func (e *entity) silent() error {
	known := []string{
		"", "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)", "This is an OpenPGP/MIME encrypted message (RFC 2440 and 3156)",
		"This is a multi-part message in MIME format.", "This is a MIME-encapsulated message.", "This is a MIME-encapsulated message",
	}
	if len(e.children) > 0 && !slices.Contains(known, strings.Trim(e.body, "\r\n")) {
		return fmt.Errorf("before the parts: %q", e.body)
	}
	return nil
}

// described says which field of a part is not about the part.
func (e *entity) described(free bool) error {
	names := []string{
		"content-type", "content-transfer-encoding", "content-disposition", "content-description", "content-id",
		"content-language", "mime-version", "message-id",
	}
	for _, f := range e.fields {
		if !slices.Contains(names, strings.ToLower(f.name)) {
			return fmt.Errorf("field of a part: %s: %s", f.name, f.value)
		}
	}
	text, _ := e.first("Content-Description")
	if !free && strings.Count(text, " ") > 6 {
		return fmt.Errorf("description of a part: %s", text)
	}
	return nil
}

func (e *entity) encrypted() error {
	if v := strings.Trim(e.children[0].body, "\r\n"); v != "Version: 1" {
		return fmt.Errorf("version part: %q", v)
	}
	return pgptest.Armored([]byte(e.children[1].body))
}

func (e *entity) report() error {
	notice := len(e.children[0].body)
	for _, c := range e.children[0].children {
		notice += len(c.body)
	}
	if notice+len(e.children[1].body) > mailfilter.MaxReport {
		return errors.New("too much text in a report")
	}
	if len(e.children) != 3 {
		return fmt.Errorf("a report of %d parts", len(e.children))
	}
	return e.children[2].returned()
}

// returned looks at a message that a report returns, which may be cut off.
func (e *entity) returned() error {
	text := strings.TrimRight(e.body, "\r\n") + "\r\n"
	if strings.HasSuffix(e.media, "headers") {
		if strings.Contains(text, "\r\n\r\n") {
			return fmt.Errorf("more than a header is returned: %q", text)
		}
		return nil
	}
	copied, err := mailparse(text)
	if err != nil {
		return err
	}
	if err := copied.silent(); err != nil {
		return err
	}
	armor := func(s string) bool { return strings.Count(s, " ") <= 5 }
	for i, c := range copied.children {
		if err := c.described(false); err != nil {
			return err
		}
		whole := i == len(copied.children)-1 && strings.Contains(c.body, "-----BEGIN PGP MESSAGE-----")
		if !whole && c.body != "" && !armor(strings.TrimSpace(c.body)) {
			return fmt.Errorf("a part that is returned says %q", c.body)
		}
	}
	return nil
}

func requestText(text string) error {
	text = strings.ToLower(strings.Trim(text, "\r\n"))
	if text != "secure-join: vc-request" && text != "secure-join: vg-request" {
		return fmt.Errorf("a request says: %q", text)
	}
	return nil
}

// maxSetupText is what an Autocrypt Setup Message may say.
const maxSetupText = 4 << 10

func setupText(text, html string) error {
	from, to := strings.Index(html, "-----BEGIN PGP MESSAGE-----"), strings.Index(html, "-----END PGP MESSAGE-----")
	if from < 0 || to < from {
		return errors.New("a setup message without keys")
	}
	to += len("-----END PGP MESSAGE-----")
	if size := len(text) + len(html) - (to - from); size > maxSetupText {
		return fmt.Errorf("a setup message with %d bytes of text", size)
	}
	armor := strings.ReplaceAll(html[from:to], "\r\n", "\n")
	return pgptest.Armored([]byte(strings.ReplaceAll(armor+"\n", "\n", "\r\n")))
}

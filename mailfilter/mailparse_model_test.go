package mailfilter_test

import (
	"slices"
	"testing"
)

// TestMailparseModel holds that the model has the rules for which it is there.
func TestMailparseModel(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, body string
		want                    []string // bodies of the parts
	}{
		{"plain", `multipart/mixed; boundary="a"`, "pre\r\n--a\r\nX: y\r\n\r\none\r\n--a\r\n\r\ntwo\r\n--a--\r\nepi\r\n", []string{"one", "two"}},
		{"prefix", `multipart/mixed; boundary=a`, "--abc\r\n\r\none\r\n--a--\r\n", []string{"one"}},
		{"no end", `multipart/mixed; boundary=a`, "--a\r\n\r\none\r\n", []string{"one\r\n"}},
		{"semicolon in quotes", `multipart/mixed; boundary="good"; x="; boundary=evil; y="`, "--good\r\n\r\none\r\n--evil\r\n\r\ntwo\r\n--evil--\r\n--good--\r\n", []string{"two"}},
		{"last wins", `multipart/mixed; boundary=a; boundary=b`, "--b\r\n\r\none\r\n--b--\r\n", []string{"one"}},
		{"encoded word", `multipart/mixed; boundary=a; =?utf-8?q?boundary=3Db?=`, "--b\r\n\r\none\r\n--b--\r\n", []string{"one"}},
		{"encoded boundary", `multipart/mixed; boundary="=?utf-8?b?Yg==?="`, "--b\r\n\r\none\r\n--b--\r\n", []string{"one"}},
		{"pieces", `multipart/mixed; boundary*0=a; boundary*1=b`, "--ab\r\n\r\none\r\n--ab--\r\n", []string{"one"}},
		{"charset", `multipart/mixed; boundary*=utf-8''%62`, "--b\r\n\r\none\r\n--b--\r\n", []string{"one"}},
		{"folded", "multipart/mixed;\r\n\tboundary=\"a\r\n b\"", "--a b\r\n\r\none\r\n--a b--\r\n", []string{"one"}},
		{"no colon", `multipart/mixed; boundary=a`, "--a\r\nMeet me\r\nX: y\r\n\r\none\r\n--a--\r\n", []string{"one"}},
	} {
		e, err := mailparse("Content-Type: " + tt.contentType + "\r\n\r\n" + tt.body)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		for _, c := range e.children {
			got = append(got, c.body)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

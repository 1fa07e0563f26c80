package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes. In the file it is an integer, or a string with the
// unit K, M, G or T, which are powers of 1024.
type Size int64

// UnmarshalTOML implements toml.Unmarshaler.
func (s *Size) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case int64:
		*s = Size(v)
		return nil
	case string:
		n, err := parseSize(v)
		*s = n
		return err
	default:
		return fmt.Errorf("%v: want a size such as \"500M\", \"1G\" or a number of bytes", v)
	}
}

func parseSize(text string) (Size, error) {
	bad := fmt.Errorf("%q: want a size such as \"500M\", \"1G\" or a number of bytes", text)
	digits := strings.TrimRight(text, "KMGT")
	unit := text[len(digits):]
	shift, ok := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[unit]
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 0 || n > (1<<62)>>shift {
		return 0, bad
	}
	return Size(n << shift), nil
}

// String returns the size with the largest unit that leaves it whole.
func (s Size) String() string {
	for i, unit := range []string{"T", "G", "M", "K"} {
		if shift := uint(40 - 10*i); s != 0 && s%(1<<shift) == 0 {
			return strconv.FormatInt(int64(s)>>shift, 10) + unit
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Megabytes returns the size in units of 2^20 bytes, rounded down but not to 0.
func (s Size) Megabytes() int64 {
	return max(int64(s)>>20, 1)
}

package config

import "fmt"

// URLs is one URL or several, in the order in which they are tried. In the file it
// is a string or a list of strings.
type URLs []string

// maxURLs bounds a list of URLs.
const maxURLs = 8

// UnmarshalTOML implements toml.Unmarshaler.
func (u *URLs) UnmarshalTOML(v any) error {
	bad := fmt.Errorf("%v: want a URL, or a list of URLs", v)
	switch v := v.(type) {
	case string:
		*u = URLs{v}
		return nil
	case []any:
		list := URLs{}
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return bad
			}
			list = append(list, text)
		}
		*u = list
		return nil
	default:
		return bad
	}
}

func checkURLs(urls URLs) error {
	if len(urls) == 0 || len(urls) > maxURLs {
		return fmt.Errorf("%d URLs: want 1 to %d", len(urls), maxURLs)
	}
	for _, u := range urls {
		if err := checkURL(u); err != nil {
			return err
		}
	}
	return nil
}

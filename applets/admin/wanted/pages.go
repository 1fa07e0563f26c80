package wanted

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"chatmaild/packaging/www"
)

// WebRoot is the folder of the pages that nginx serves.
const WebRoot = "/var/www/chatmaild"

// Pages returns the web pages. Those in override, the operator's own, take the
// place of ours.
func Pages(site www.Site, override fs.FS) ([]File, error) {
	pages, err := www.Render(site, override)
	if err != nil {
		return nil, fmt.Errorf("making the web pages: %w", err)
	}
	var files []File
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		files = append(files, File{
			Path: path.Join(WebRoot, name), Content: pages[name], Mode: 0o644, Owner: "root", Group: "root",
		})
	}
	return files, nil
}

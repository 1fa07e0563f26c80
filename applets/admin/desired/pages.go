package desired

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"chatmaild/applets/config"
	"chatmaild/packaging/www"
)

// WebRoot is the directory of the pages that nginx serves.
const WebRoot = "/var/www/chatmaild"

// Pages returns the web pages. Those in override, the operator's own, take the
// place of ours.
func Pages(site www.Site, override fs.FS) ([]File, error) {
	pages, err := www.Render(site, override)
	if err != nil {
		return nil, fmt.Errorf("rendering the web pages: %w", err)
	}
	var files []File
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		files = append(files, File{
			Path: path.Join(WebRoot, name), Content: pages[name], Mode: 0o644, Owner: "root", Group: "root",
		})
	}
	return files, nil
}

// Site maps the configuration to what the pages say.
func Site(conf *config.Config, version string) www.Site {
	return www.Site{
		MailDomain: conf.MailDomain, Host: config.Host(conf), ExtraPorts: conf.ExtraPorts, SelfSigned: conf.SelfSigned(), Hidden: conf.Hidden, Registration: www.Registration(conf.Registration), Version: version,
		MaxUserSendPerMinute: conf.MaxUserSendPerMinute,
		MaxMailboxSize:       int64(conf.MaxMailboxSize), MaxMessageSize: int64(conf.MaxMessageSize),
		DeleteMailsAfter: conf.DeleteMailsAfter, DeleteLargeAfter: conf.DeleteLargeAfter,
		DeleteInactiveUsersAfter: conf.DeleteInactiveUsersAfter,
		UsernameMinLength:        conf.UsernameMinLength, UsernameMaxLength: conf.UsernameMaxLength,
		PasswordMinLength: conf.PasswordMinLength,
		PrivacyPostal:     conf.PrivacyPostal, PrivacyMail: conf.PrivacyMail,
		PrivacyPDO: conf.PrivacyPDO, PrivacySupervisor: conf.PrivacySupervisor,
	}
}

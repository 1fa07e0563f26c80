// Package www renders the web pages of a relay: Markdown with values from the
// configuration goes through goldmark into one layout. It is pure, a Site and an
// fs.FS in, files out, so that deployment, live preview and tests see the same bytes.
//
// # Sources
//
//	en/     texts: a Markdown file for each page, and words.json for what stands around
//	theme/  layout.html, parts.html, main.css, pictures, robots.txt
//
// Both lie in one flat name space, and a file in the operator's directory replaces ours
// of the same name; one of another name is added: x.md becomes x.html, the rest is copied.
// A translation is a directory with all the files of en/ in another language.
//
// # In a page
//
// A page is a text/template before it is Markdown. {{ config.delete_mails_after }} is
// the value of that key of chatmail.toml, as people write it; {{ button }}, {{ qr }} and the like are the
// parts in parts.html. See values.go for all of them. HTML passes: the directory is the operator's.
// The Markdown is CommonMark, with the definition lists and tables of blocks.go.
//
// # No scripts
//
// The pages work without any script, so that ContentSecurityPolicy allows none, and nothing
// but pictures and style sheets of the relay itself.
package www

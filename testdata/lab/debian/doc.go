// Package debian has the Debians that the lab's machines run: the roots they start from, and
// the packages that they install without a network, each made or downloaded once and then
// taken from the cache. With them stands what the checkout has built: the package that is
// tested, and the image.
//
// This machine's apt downloads, for a root's dpkg: what a way to the mirror needs is set on
// this machine.
package debian

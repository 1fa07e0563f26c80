// Package queue is Postfix's queue: all that looks at it, or has Postfix try what is in
// it, asks here.
//
// There are two ways to look. Daemons ask the showq(8) service for numbers and for what
// is deferred, many times an hour ([Look]). Commands read what "postqueue -j" prints
// ([Read]): it has every address and size, and works while Postfix is off. [Try] asks
// the flush(8) service to deliver a message now, and [Rules] is what an operator has
// ruled for destinations: the relay's transport map (transport(5)).
package queue

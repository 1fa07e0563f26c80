package host

import proc "chatmaild/auth/machine"

// Memory is how much memory the machine has, in bytes; in a container, how much that may have.
func Memory() (int64, error) { return proc.Memory() }

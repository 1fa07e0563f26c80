package postgres

import "context"

// Versions returns which version of chatmaild each machine has, by name, as the server at
// address has it; "" if the machine has not said. A directory of an earlier version fails with
// an error that IsOlder knows.
func Versions(ctx context.Context, address string) (map[string]string, error) {
	return byName(ctx, address, "SELECT name, version FROM machines")
}

// SetVersion notes that of a machine that has registered.
func SetVersion(ctx context.Context, writer, machine, version string) error {
	_, err := ask(ctx, writer, "UPDATE machines SET version = "+literal(version)+" WHERE name = "+literal(machine))
	return err
}

package postgres

import "context"

// Versions returns which version of chatmaild each machine has, by name, as the server at
// address has it; "" if the machine has not said. A directory of an earlier version fails with
// an error that IsOlder knows.
func Versions(ctx context.Context, address string) (map[string]string, error) {
	rows, err := ask(ctx, address, "SELECT name, version FROM machines")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, row := range rows {
		all[string(row[0])] = string(row[1])
	}
	return all, nil
}

// SetVersion notes that of a machine that has registered.
func SetVersion(ctx context.Context, writer, machine, version string) error {
	_, err := ask(ctx, writer, "UPDATE machines SET version = "+literal(version)+" WHERE name = "+literal(machine))
	return err
}

package postgres

import "context"

// Settings returns what an operator has set for all machines of a relay, by name, as the
// server at address has it.
func Settings(ctx context.Context, address string) (map[string]string, error) {
	rows, err := ask(ctx, address, "SELECT name, value FROM settings")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, row := range rows {
		all[string(row[0])] = string(row[1])
	}
	return all, nil
}

// Set sets one of them at the writer, durably; "" is none.
func Set(ctx context.Context, writer, name, value string) error {
	sql := "DELETE FROM settings WHERE name = " + literal(name)
	if value != "" {
		sql = "INSERT INTO settings VALUES (" + literal(name) + ", " + literal(value) + ") ON CONFLICT (name) DO UPDATE SET value = excluded.value"
	}
	_, err := ask(ctx, writer, sql)
	return err
}

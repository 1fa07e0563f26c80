package postgres

import "context"

// Settings returns what an operator has set for all machines of a relay, by name, as the
// server at address has it.
func Settings(ctx context.Context, address string) (map[string]string, error) {
	return byName(ctx, address, "SELECT name, value FROM settings")
}

// byName asks for rows of a name and a text.
func byName(ctx context.Context, address, sql string) (map[string]string, error) {
	rows, err := ask(ctx, address, sql)
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

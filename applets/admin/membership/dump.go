package membership

import (
	"bufio"
	"context"
	"io"

	"chatmaild/applets/accounts"
	"chatmaild/store/directory/postgres"
)

// Dump writes the directory, as this machine's own copy has it.
func Dump(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriter(w)
	return AsPostgres(func(address func(string) string) error {
		if err := postgres.Dump(ctx, address(accounts.Database), out); err != nil {
			return err
		}
		return out.Flush()
	})
}

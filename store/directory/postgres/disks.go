package postgres

import (
	"context"
	"fmt"
	"strconv"

	"chatmaild/store/directory"
)

// Registered is a machine with its disk, as the directory has them.
type Registered struct {
	directory.Machine
	DiskFree, DiskSize int64 // bytes; 0: not known
}

// MachineDisks returns the machines as the server at address has them.
func MachineDisks(ctx context.Context, address string) ([]Registered, error) {
	rows, err := ask(ctx, address, "SELECT "+machineFields+", disk_free, disk_size FROM machines")
	if err != nil {
		return nil, err
	}
	var all []Registered
	for _, row := range rows {
		machines, err := decodeMachines([][][]byte{row[:4]}, nil)
		if err != nil {
			return nil, err
		}
		free, freeErr := strconv.ParseInt(string(row[4]), 10, 64)
		size, err := strconv.ParseInt(string(row[5]), 10, 64)
		if err != nil || freeErr != nil {
			return nil, errRow
		}
		all = append(all, Registered{machines[0], free, size})
	}
	return all, nil
}

// SetDisk notes how full the disk of a machine is that has registered.
func SetDisk(ctx context.Context, writer, machine string, free, size int64) error {
	_, err := ask(ctx, writer, fmt.Sprintf("UPDATE machines SET disk_free = %d, disk_size = %d WHERE name = %s", free, size, literal(machine)))
	return err
}

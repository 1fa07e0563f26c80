package postgres

import "strconv"

// Slot is a replication slot: it has a server keep the log for a copy that may come for it
// (section 26.2.6 of PostgreSQL's documentation). The relay has none; a tool for backups may,
// and may forget it.
type Slot struct {
	Name string
	Kept int64 // bytes of the log
}

// slots asks for those of a server.
const slots = `SELECT slot_name, greatest(0, (CASE WHEN pg_is_in_recovery()
	THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END - restart_lsn))::bigint
	FROM pg_replication_slots WHERE restart_lsn IS NOT NULL ORDER BY slot_name`

func decodeSlots(rows [][][]byte) (all []Slot, err error) {
	for _, row := range rows {
		if len(row) != 2 {
			return nil, errRow
		}
		s := Slot{Name: string(row[0])}
		if s.Kept, err = strconv.ParseInt(string(row[1]), 10, 64); err != nil {
			return nil, errRow
		}
		all = append(all, s)
	}
	return all, nil
}

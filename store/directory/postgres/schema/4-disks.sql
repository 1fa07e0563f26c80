-- How full the disk of a machine's mailboxes is, in bytes, as the machine says now and then.
ALTER TABLE machines ADD COLUMN disk_free bigint NOT NULL DEFAULT 0;
ALTER TABLE machines ADD COLUMN disk_size bigint NOT NULL DEFAULT 0;

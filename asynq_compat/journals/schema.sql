-- A SQLite file of journals. The application_id and user_version are set by sqlite_file.py.
--
-- A journal's positions count from 0 and never restart, also when its entries have been deleted: `next_position` remembers.
CREATE TABLE journal (
    id            INTEGER PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    next_position INTEGER NOT NULL DEFAULT 0
) STRICT;

-- id = journal.id * 2^40 + position, so that the entries of one journal lie beside each other without an index of their own.
CREATE TABLE entry (
    id           INTEGER PRIMARY KEY,
    timestamp_ms INTEGER NOT NULL,
    data         BLOB    NOT NULL
) STRICT;

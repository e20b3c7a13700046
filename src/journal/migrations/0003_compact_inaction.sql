-- What was decided and needs no full record is a leaf of a tree: one row per head, with the root over the decisions on all
-- vaults and one level of the tree (docs/journal.md).

-- A process of the keeper begins.
CREATE TABLE runs (
    id               INTEGER PRIMARY KEY,
    recorded_at      INTEGER NOT NULL,
    program_version  TEXT    NOT NULL,
    decision_version TEXT    NOT NULL
) STRICT;

-- The vaults that it keeps on a chain: their addresses, ascending, 20 bytes each.
CREATE TABLE rosters (
    id          INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    run_id      INTEGER NOT NULL REFERENCES runs (id),
    chain_id    INTEGER NOT NULL,
    vaults      BLOB    NOT NULL CHECK (length(vaults) % 20 = 0)
) STRICT;

-- A head: what was decided on every vault of its roster, or why nothing was.
CREATE TABLE blocks (
    id              INTEGER PRIMARY KEY,
    recorded_at     INTEGER NOT NULL,
    chain_id        INTEGER NOT NULL,
    block_number    INTEGER NOT NULL CHECK (block_number >= 0),
    block_hash      BLOB    NOT NULL CHECK (length(block_hash) = 32),
    block_timestamp INTEGER NOT NULL,
    roster_id       INTEGER NOT NULL REFERENCES rosters (id),
    leaves          INTEGER NOT NULL CHECK (leaves >= 0),
    root            BLOB    NOT NULL CHECK (length(root) = 32),
    -- The nodes of the lowest level that has 64 at most, 32 bytes each.
    level           BLOB    NOT NULL CHECK (length(level) % 32 = 0 AND length(level) <= 2048),
    -- The vaults of the roster without a leaf, each with its code; an entry without a vault stands for all others.
    absences        TEXT    CHECK (absences IS NULL OR json_valid(absences))
) STRICT;
CREATE INDEX blocks_by_number ON blocks (chain_id, block_number);
CREATE INDEX blocks_by_hash ON blocks (chain_id, block_hash);

CREATE TRIGGER runs_keep BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER runs_stay BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER rosters_keep BEFORE UPDATE ON rosters BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER rosters_stay BEFORE DELETE ON rosters BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER blocks_keep BEFORE UPDATE ON blocks BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER blocks_stay BEFORE DELETE ON blocks BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- A roster is of the process that runs, a block of the roster that its chain has.
CREATE TRIGGER rosters_of_run BEFORE INSERT ON rosters
WHEN NEW.run_id IS NOT (SELECT max(id) FROM runs)
BEGIN SELECT RAISE(ABORT, 'a roster is of the newest run'); END;
CREATE TRIGGER blocks_of_roster BEFORE INSERT ON blocks
WHEN NEW.roster_id IS NOT (SELECT id FROM rosters WHERE chain_id = NEW.chain_id ORDER BY id DESC LIMIT 1)
BEGIN SELECT RAISE(ABORT, 'a block is of the newest roster of its chain'); END;

-- A block that left the chain may have no full record: then `last_cycle` is null.
CREATE TABLE orphans_2 (
    id          INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    chain_id    INTEGER NOT NULL,
    block_hash  TEXT    NOT NULL CHECK (length(block_hash) = 66),
    last_cycle  INTEGER REFERENCES cycles (id)
) STRICT;
INSERT INTO orphans_2 (id, recorded_at, chain_id, block_hash, last_cycle)
SELECT id, recorded_at, chain_id, block_hash, last_cycle FROM orphans ORDER BY id;
DROP TABLE orphans;
ALTER TABLE orphans_2 RENAME TO orphans;
CREATE INDEX orphans_by_block ON orphans (chain_id, block_hash);
CREATE TRIGGER orphans_mark AFTER INSERT ON orphans
BEGIN
    UPDATE cycles SET orphaned = 1
    WHERE chain_id = NEW.chain_id AND block_hash = NEW.block_hash AND id <= NEW.last_cycle AND orphaned = 0;
END;
CREATE TRIGGER orphans_keep BEFORE UPDATE ON orphans BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER orphans_stay BEFORE DELETE ON orphans BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- The ledger takes the new kinds, and finds a record's place.
CREATE TABLE ledger_2 (
    seq    INTEGER PRIMARY KEY,
    kind   TEXT    NOT NULL
        CHECK (kind IN ('cycle', 'intent', 'attempt', 'event', 'orphaned', 'run', 'roster', 'block')),
    record INTEGER NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO ledger_2 (seq, kind, record, hash) SELECT seq, kind, record, hash FROM ledger ORDER BY seq;
DROP TABLE ledger;
ALTER TABLE ledger_2 RENAME TO ledger;
CREATE INDEX ledger_by_record ON ledger (kind, record);
CREATE TRIGGER ledger_order BEFORE INSERT ON ledger
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
BEGIN SELECT RAISE(ABORT, 'the ledger has no gaps'); END;
CREATE TRIGGER ledger_keep BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER ledger_stay BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- A chain may come back to a block that it had left. Then what is recorded of it stands again: up to the last time that it left,
-- which a record names.

CREATE TABLE returns (
    id          INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    chain_id    INTEGER NOT NULL,
    block_hash  TEXT    NOT NULL CHECK (length(block_hash) = 66),
    -- That time, and all before it, count no more.
    last_orphan INTEGER NOT NULL UNIQUE REFERENCES orphans (id)
) STRICT;
CREATE INDEX returns_by_block ON returns (chain_id, block_hash);
CREATE TRIGGER returns_keep BEFORE UPDATE ON returns BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER returns_stay BEFORE DELETE ON returns BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER returns_of_left BEFORE INSERT ON returns
WHEN NEW.last_orphan IS NOT (SELECT max(id) FROM orphans WHERE chain_id = NEW.chain_id AND block_hash = NEW.block_hash)
BEGIN SELECT RAISE(ABORT, 'a block returns from when it left last'); END;

-- The mark of a full record goes when its block is back, and at no other time.
CREATE TRIGGER returns_mark AFTER INSERT ON returns
BEGIN
    UPDATE cycles SET orphaned = 0 WHERE chain_id = NEW.chain_id AND block_hash = NEW.block_hash AND orphaned = 1;
END;
DROP TRIGGER cycles_keep;
CREATE TRIGGER cycles_keep BEFORE UPDATE ON cycles
WHEN (NEW.orphaned < OLD.orphaned AND NOT EXISTS (
        SELECT 1 FROM returns r WHERE r.last_orphan = (
            SELECT max(o.id) FROM orphans o WHERE o.chain_id = OLD.chain_id AND o.block_hash = OLD.block_hash)))
  OR (NEW.id, NEW.recorded_at, NEW.chain_id, NEW.vault, NEW.block_number, NEW.block_hash, NEW.block_timestamp,
      NEW.policy_hash, NEW.snapshot_hash, NEW.decision_hash, NEW.verdict, NEW.reason, NEW.decision, NEW.snapshot,
      NEW.dispatch, NEW.urgency, NEW.packed, NEW.base)
  IS NOT
     (OLD.id, OLD.recorded_at, OLD.chain_id, OLD.vault, OLD.block_number, OLD.block_hash, OLD.block_timestamp,
      OLD.policy_hash, OLD.snapshot_hash, OLD.decision_hash, OLD.verdict, OLD.reason, OLD.decision, OLD.snapshot,
      OLD.dispatch, OLD.urgency, OLD.packed, OLD.base)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Those whose block left are looked for too: it may be back.
DROP INDEX cycles_by_number;
CREATE INDEX cycles_by_number ON cycles (chain_id, block_number);

-- The ledger takes the new kind.
CREATE TABLE ledger_6 (
    seq    INTEGER PRIMARY KEY,
    kind   TEXT    NOT NULL
        CHECK (kind IN ('cycle', 'intent', 'attempt', 'event', 'orphaned', 'run', 'roster', 'block', 'returned')),
    record INTEGER NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO ledger_6 (seq, kind, record, hash) SELECT seq, kind, record, hash FROM ledger ORDER BY seq;
DROP TABLE ledger;
ALTER TABLE ledger_6 RENAME TO ledger;
CREATE INDEX ledger_by_record ON ledger (kind, record);
CREATE TRIGGER ledger_order BEFORE INSERT ON ledger
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
BEGIN SELECT RAISE(ABORT, 'the ledger has no gaps'); END;
CREATE TRIGGER ledger_keep BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER ledger_stay BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

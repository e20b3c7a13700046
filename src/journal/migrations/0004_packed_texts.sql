-- The texts of a full record are packed into bytes, most of them with those of another record before it (docs/journal.md).
-- Then `decision` is the JSON null, which no decision is, and `snapshot` is null. Older records keep their texts.

ALTER TABLE cycles ADD COLUMN packed BLOB CHECK (packed IS NULL OR (decision = 'null' AND snapshot IS NULL));
ALTER TABLE cycles ADD COLUMN base INTEGER REFERENCES cycles (id) CHECK (base IS NULL OR packed IS NOT NULL);

DROP TRIGGER cycles_keep;
CREATE TRIGGER cycles_keep BEFORE UPDATE ON cycles
WHEN NEW.orphaned < OLD.orphaned
  OR (NEW.id, NEW.recorded_at, NEW.chain_id, NEW.vault, NEW.block_number, NEW.block_hash, NEW.block_timestamp,
      NEW.policy_hash, NEW.snapshot_hash, NEW.decision_hash, NEW.verdict, NEW.reason, NEW.decision, NEW.snapshot,
      NEW.dispatch, NEW.urgency, NEW.packed, NEW.base)
  IS NOT
     (OLD.id, OLD.recorded_at, OLD.chain_id, OLD.vault, OLD.block_number, OLD.block_hash, OLD.block_timestamp,
      OLD.policy_hash, OLD.snapshot_hash, OLD.decision_hash, OLD.verdict, OLD.reason, OLD.decision, OLD.snapshot,
      OLD.dispatch, OLD.urgency, OLD.packed, OLD.base)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- A record with which others are packed is packed with none: two are read at most for the texts of one.
CREATE TRIGGER cycles_base BEFORE INSERT ON cycles
WHEN NEW.base IS NOT NULL
 AND NOT EXISTS (SELECT 1 FROM cycles WHERE id = NEW.base AND packed IS NOT NULL AND base IS NULL)
BEGIN SELECT RAISE(ABORT, 'a record is packed with one that is packed with none'); END;

-- One row per cycle: what was decided on which block, under which policy.
CREATE TABLE cycles (
    id              INTEGER PRIMARY KEY,
    recorded_at     INTEGER NOT NULL DEFAULT (unixepoch()),
    chain_id        INTEGER NOT NULL,
    vault           TEXT    NOT NULL CHECK (length(vault) = 42),
    block_number    INTEGER NOT NULL,
    block_hash      TEXT    NOT NULL CHECK (length(block_hash) = 66),
    block_timestamp INTEGER NOT NULL,
    policy_hash     TEXT    NOT NULL CHECK (length(policy_hash) = 66),
    snapshot_hash   TEXT    NOT NULL CHECK (length(snapshot_hash) = 66),
    decision_hash   TEXT    NOT NULL CHECK (length(decision_hash) = 66),
    verdict         TEXT    NOT NULL,
    reason          TEXT,
    decision        TEXT    NOT NULL CHECK (json_valid(decision)),
    snapshot        TEXT    CHECK (snapshot IS NULL OR json_valid(snapshot)),
    dispatch        TEXT,
    orphaned        INTEGER NOT NULL DEFAULT 0 CHECK (orphaned IN (0, 1))
) STRICT;
CREATE INDEX cycles_by_vault ON cycles (vault, id);
CREATE INDEX cycles_by_block ON cycles (chain_id, block_hash);

-- One row per transaction that the keeper set out to get mined. Numbers beyond 63 bits are decimal text.
CREATE TABLE intents (
    id          INTEGER PRIMARY KEY,
    cycle_id    INTEGER NOT NULL REFERENCES cycles (id),
    chain_id    INTEGER NOT NULL,
    sender      TEXT    NOT NULL CHECK (length(sender) = 42),
    nonce       INTEGER NOT NULL CHECK (nonce >= 0),
    vault       TEXT    NOT NULL CHECK (length(vault) = 42),
    vault_nonce TEXT    NOT NULL,
    recipient   TEXT    NOT NULL CHECK (length(recipient) = 42),
    calldata    BLOB    NOT NULL,
    deadline    INTEGER NOT NULL,
    gas_limit   INTEGER NOT NULL,
    planned     TEXT    NOT NULL CHECK (json_valid(planned))
) STRICT;
-- One intent keeps one nonce until the chain has consumed it.
CREATE UNIQUE INDEX intents_by_nonce ON intents (chain_id, sender, nonce);
CREATE INDEX intents_by_vault ON intents (vault, id);

-- The signed bytes of an intent, durable before they leave.
CREATE TABLE attempts (
    id                       INTEGER PRIMARY KEY,
    intent_id                INTEGER NOT NULL REFERENCES intents (id),
    hash                     TEXT    NOT NULL UNIQUE CHECK (length(hash) = 66),
    raw                      BLOB    NOT NULL,
    max_fee_per_gas          TEXT    NOT NULL,
    max_priority_fee_per_gas TEXT    NOT NULL,
    kind                     TEXT    NOT NULL CHECK (kind IN ('original'))
) STRICT;
CREATE INDEX attempts_by_intent ON attempts (intent_id, id);

-- What became of an intent. Its state is that of its last event.
CREATE TABLE intent_events (
    id          INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL DEFAULT (unixepoch()),
    intent_id   INTEGER NOT NULL REFERENCES intents (id),
    state       TEXT    NOT NULL
        CHECK (state IN ('prepared', 'live', 'included', 'executed', 'reverted', 'foreign', 'parked')),
    detail      TEXT    NOT NULL CHECK (json_valid(detail)),
    block_hash  TEXT    CHECK (block_hash IS NULL OR length(block_hash) = 66),
    fee         TEXT
) STRICT;
CREATE INDEX intent_events_by_intent ON intent_events (intent_id, id);

-- Evidence does not change. Only the mark of an orphaned block may be set on a cycle, once.
CREATE TRIGGER cycles_keep BEFORE UPDATE ON cycles
WHEN NEW.orphaned < OLD.orphaned
  OR (NEW.id, NEW.recorded_at, NEW.chain_id, NEW.vault, NEW.block_number, NEW.block_hash, NEW.block_timestamp,
      NEW.policy_hash, NEW.snapshot_hash, NEW.decision_hash, NEW.verdict, NEW.reason, NEW.decision, NEW.snapshot,
      NEW.dispatch)
  IS NOT
     (OLD.id, OLD.recorded_at, OLD.chain_id, OLD.vault, OLD.block_number, OLD.block_hash, OLD.block_timestamp,
      OLD.policy_hash, OLD.snapshot_hash, OLD.decision_hash, OLD.verdict, OLD.reason, OLD.decision, OLD.snapshot,
      OLD.dispatch)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER cycles_stay BEFORE DELETE ON cycles BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER intents_keep BEFORE UPDATE ON intents BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER intents_stay BEFORE DELETE ON intents BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER attempts_keep BEFORE UPDATE ON attempts BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER attempts_stay BEFORE DELETE ON attempts BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER intent_events_keep BEFORE UPDATE ON intent_events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER intent_events_stay BEFORE DELETE ON intent_events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- A final intent is never undone.
CREATE TRIGGER intent_events_end BEFORE INSERT ON intent_events
WHEN (SELECT state FROM intent_events WHERE intent_id = NEW.intent_id ORDER BY id DESC LIMIT 1)
     IN ('executed', 'reverted')
BEGIN SELECT RAISE(ABORT, 'a final intent takes no further events'); END;

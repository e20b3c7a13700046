-- Several intents may share one nonce, attempts may be bumps and cancels, and every record stands in a ledger.

ALTER TABLE cycles ADD COLUMN urgency TEXT NOT NULL DEFAULT 'routine' CHECK (urgency IN ('routine', 'urgent'));
DROP TRIGGER cycles_keep;
CREATE TRIGGER cycles_keep BEFORE UPDATE ON cycles
WHEN NEW.orphaned < OLD.orphaned
  OR (NEW.id, NEW.recorded_at, NEW.chain_id, NEW.vault, NEW.block_number, NEW.block_hash, NEW.block_timestamp,
      NEW.policy_hash, NEW.snapshot_hash, NEW.decision_hash, NEW.verdict, NEW.reason, NEW.decision, NEW.snapshot,
      NEW.dispatch, NEW.urgency)
  IS NOT
     (OLD.id, OLD.recorded_at, OLD.chain_id, OLD.vault, OLD.block_number, OLD.block_hash, OLD.block_timestamp,
      OLD.policy_hash, OLD.snapshot_hash, OLD.decision_hash, OLD.verdict, OLD.reason, OLD.decision, OLD.snapshot,
      OLD.dispatch, OLD.urgency)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- An intent that takes a nonce over names the one that held it. The first of a nonce takes over none.
ALTER TABLE intents ADD COLUMN urgency TEXT NOT NULL DEFAULT 'routine' CHECK (urgency IN ('routine', 'urgent'));
ALTER TABLE intents ADD COLUMN takes_over INTEGER REFERENCES intents (id);
DROP INDEX intents_by_nonce;
-- A nonce has one first intent, and each intent is taken over once at most.
CREATE UNIQUE INDEX intents_by_nonce ON intents (chain_id, sender, nonce, coalesce(takes_over, 0));

CREATE TABLE attempts_2 (
    id                       INTEGER PRIMARY KEY,
    intent_id                INTEGER NOT NULL REFERENCES intents (id),
    hash                     TEXT    NOT NULL UNIQUE CHECK (length(hash) = 66),
    raw                      BLOB    NOT NULL,
    max_fee_per_gas          TEXT    NOT NULL,
    max_priority_fee_per_gas TEXT    NOT NULL,
    kind                     TEXT    NOT NULL CHECK (kind IN ('original', 'bump', 'cancel')),
    -- How it may leave, and the height from which a private one may leave in public.
    submission               TEXT    NOT NULL CHECK (submission IN ('public', 'private')),
    public_from              INTEGER CHECK (public_from IS NULL OR submission = 'private'),
    -- Height of the head at which it was signed.
    signed_at                INTEGER NOT NULL CHECK (signed_at >= 0),
    -- Where they are not the intent's.
    gas_limit                INTEGER,
    recipient                TEXT    CHECK (recipient IS NULL OR length(recipient) = 42)
) STRICT;
INSERT INTO attempts_2 (id, intent_id, hash, raw, max_fee_per_gas, max_priority_fee_per_gas, kind, submission, signed_at)
SELECT a.id, a.intent_id, a.hash, a.raw, a.max_fee_per_gas, a.max_priority_fee_per_gas, a.kind, 'public', c.block_number
FROM attempts a JOIN intents i ON i.id = a.intent_id JOIN cycles c ON c.id = i.cycle_id ORDER BY a.id;
DROP TABLE attempts;
ALTER TABLE attempts_2 RENAME TO attempts;
CREATE INDEX attempts_by_intent ON attempts (intent_id, id);

CREATE TABLE intent_events_2 (
    id          INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    intent_id   INTEGER NOT NULL REFERENCES intents (id),
    state       TEXT    NOT NULL
        CHECK (state IN ('prepared', 'live', 'cancelling', 'included', 'executed', 'reverted', 'cancelled', 'superseded',
                         'foreign', 'parked')),
    detail      TEXT    NOT NULL CHECK (json_valid(detail)),
    block_hash  TEXT    CHECK (block_hash IS NULL OR length(block_hash) = 66),
    fee         TEXT
) STRICT;
INSERT INTO intent_events_2 (id, recorded_at, intent_id, state, detail, block_hash, fee)
SELECT id, recorded_at, intent_id, state, detail, block_hash, fee FROM intent_events ORDER BY id;
DROP TABLE intent_events;
ALTER TABLE intent_events_2 RENAME TO intent_events;
CREATE INDEX intent_events_by_intent ON intent_events (intent_id, id);

-- Blocks that left the chain: every cycle on such a block up to the last one then is orphaned.
CREATE TABLE orphans (
    id          INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    chain_id    INTEGER NOT NULL,
    block_hash  TEXT    NOT NULL CHECK (length(block_hash) = 66),
    last_cycle  INTEGER NOT NULL REFERENCES cycles (id)
) STRICT;
INSERT INTO orphans (recorded_at, chain_id, block_hash, last_cycle)
SELECT unixepoch(), chain_id, block_hash, max(id) FROM cycles WHERE orphaned = 1 GROUP BY chain_id, block_hash;
CREATE TRIGGER orphans_mark AFTER INSERT ON orphans
BEGIN
    UPDATE cycles SET orphaned = 1
    WHERE chain_id = NEW.chain_id AND block_hash = NEW.block_hash AND id <= NEW.last_cycle AND orphaned = 0;
END;

-- Every record in the order of writing, each with the hash of all before it and of its content (docs/journal.md).
CREATE TABLE ledger (
    seq    INTEGER PRIMARY KEY,
    kind   TEXT    NOT NULL CHECK (kind IN ('cycle', 'intent', 'attempt', 'event', 'orphaned')),
    record INTEGER NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER ledger_order BEFORE INSERT ON ledger
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
BEGIN SELECT RAISE(ABORT, 'the ledger has no gaps'); END;
-- Holds its row once the records of an earlier schema are in the ledger: only then, and only once, are they added to it.
CREATE TABLE adopted (id INTEGER PRIMARY KEY CHECK (id = 1)) STRICT;
INSERT INTO adopted SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM cycles);

-- Evidence does not change.
CREATE TRIGGER attempts_keep BEFORE UPDATE ON attempts BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER attempts_stay BEFORE DELETE ON attempts BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER intent_events_keep BEFORE UPDATE ON intent_events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER intent_events_stay BEFORE DELETE ON intent_events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER orphans_keep BEFORE UPDATE ON orphans BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER orphans_stay BEFORE DELETE ON orphans BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER ledger_keep BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER ledger_stay BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Nonces of a key rise.
CREATE TRIGGER intents_rise BEFORE INSERT ON intents
WHEN NEW.takes_over IS NULL
 AND NEW.nonce < (SELECT max(nonce) FROM intents WHERE chain_id = NEW.chain_id AND sender = NEW.sender)
BEGIN SELECT RAISE(ABORT, 'a nonce below the highest of its key is taken over or not used'); END;

-- A nonce is taken over from its newest intent, and only while nothing about it is final.
CREATE TRIGGER intents_take_over BEFORE INSERT ON intents
WHEN NEW.takes_over IS NOT NULL
 AND (NEW.takes_over IS NOT (SELECT max(id) FROM intents
                             WHERE chain_id = NEW.chain_id AND sender = NEW.sender AND nonce = NEW.nonce)
   OR EXISTS (SELECT 1 FROM intents i JOIN intent_events e ON e.intent_id = i.id
              WHERE i.chain_id = NEW.chain_id AND i.sender = NEW.sender AND i.nonce = NEW.nonce
                AND e.state IN ('executed', 'reverted', 'cancelled', 'superseded')))
BEGIN SELECT RAISE(ABORT, 'only an open nonce is taken over, and from its newest intent'); END;

-- The first attempt of an intent is the original, every other a bump or a cancel.
CREATE TRIGGER attempts_begin BEFORE INSERT ON attempts
WHEN (NEW.kind = 'original') = EXISTS (SELECT 1 FROM attempts WHERE intent_id = NEW.intent_id)
BEGIN SELECT RAISE(ABORT, 'an intent has one original attempt, its first'); END;
CREATE TRIGGER attempts_end BEFORE INSERT ON attempts
WHEN EXISTS (SELECT 1 FROM intent_events WHERE intent_id = NEW.intent_id
             AND state IN ('executed', 'reverted', 'cancelled', 'superseded'))
BEGIN SELECT RAISE(ABORT, 'a final intent takes no further attempts'); END;

-- A final intent is never undone.
CREATE TRIGGER intent_events_end BEFORE INSERT ON intent_events
WHEN EXISTS (SELECT 1 FROM intent_events WHERE intent_id = NEW.intent_id
             AND state IN ('executed', 'reverted', 'cancelled', 'superseded'))
BEGIN SELECT RAISE(ABORT, 'a final intent takes no further events'); END;

-- One transaction of a nonce is mined: it takes effect for one intent.
CREATE TRIGGER intent_events_one_effect BEFORE INSERT ON intent_events
WHEN NEW.state IN ('executed', 'reverted', 'cancelled')
 AND EXISTS (SELECT 1 FROM intents n JOIN intents o
             ON o.chain_id = n.chain_id AND o.sender = n.sender AND o.nonce = n.nonce
             JOIN intent_events e ON e.intent_id = o.id
             WHERE n.id = NEW.intent_id AND e.state IN ('executed', 'reverted', 'cancelled'))
BEGIN SELECT RAISE(ABORT, 'another intent of this nonce has taken effect'); END;

-- Superseded is an intent by another of its nonce, which has taken effect or still can.
CREATE TRIGGER intent_events_superseded BEFORE INSERT ON intent_events
WHEN NEW.state = 'superseded'
 AND NOT EXISTS (SELECT 1 FROM intents n JOIN intents o
                 ON o.chain_id = n.chain_id AND o.sender = n.sender AND o.nonce = n.nonce AND o.id <> n.id
                 WHERE n.id = NEW.intent_id
                   AND NOT EXISTS (SELECT 1 FROM intent_events e WHERE e.intent_id = o.id AND e.state = 'superseded'))
BEGIN SELECT RAISE(ABORT, 'no other intent of this nonce can have taken effect'); END;

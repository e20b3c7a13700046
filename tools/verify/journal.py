"""Proofs and exported records of a journal (docs/journal.md), from their bytes alone.

`keccak` is a function from bytes to the 32 bytes of their hash.
"""

import json

COLUMNS = {
    "cycle": "id recorded_at chain_id vault block_number block_hash block_timestamp policy_hash snapshot_hash decision_hash"
    " verdict reason decision snapshot dispatch urgency",
    "intent": "id cycle_id chain_id sender nonce vault vault_nonce recipient calldata deadline gas_limit planned urgency"
    " takes_over",
    "attempt": "id intent_id hash raw max_fee_per_gas max_priority_fee_per_gas attempt_kind submission public_from signed_at"
    " gas_limit recipient",
    "event": "id recorded_at intent_id state detail block_hash fee",
    "orphaned": "id recorded_at chain_id block_hash last_cycle",
    "run": "id recorded_at program_version decision_version",
    "roster": "id recorded_at run_id chain_id vaults",
    "block": "id recorded_at chain_id block_number block_hash block_timestamp roster_id leaves root level absences",
    "returned": "id recorded_at chain_id block_hash last_orphan",
}
BLOBS = {
    "intent": {"calldata"}, "attempt": {"raw"}, "roster": {"vaults"}, "block": {"block_hash", "root", "level"},
}


PROOF = set(
    "vault address block block_hash leaf index leaves path root seq ledger_hash snapshot_hash decision_hash".split()
)
# Members that are held against the chain and the records where they stand in a proof.
MORE = {"chain_id"}


class Wrong(Exception):
    """What does not hold."""


def unhex(text):
    if not text.startswith("0x"):
        raise ValueError(f"{text} is not hexadecimal with 0x")
    return bytes.fromhex(text[2:])


def shown(value):
    return "0x" + value.hex()


# ---------------------------------------------------------------- the tree


def leaf(keccak, vault, snapshot_hash, decision_hash):
    return keccak(b"\0" + vault + snapshot_hash + decision_hash)


def node(keccak, left, right):
    return keccak(b"\1" + left + right)


def root_over(keccak, level):
    """The root over the nodes of a level; the last of an odd number is promoted."""
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [node(keccak, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0] if level else keccak(b"")


def root_by(keccak, start, index, leaves, path):
    """The root that a leaf and the missing nodes make: RFC 9162, section 2.1.3.2."""
    if not 0 <= index < leaves:
        raise Wrong(f"index {index} is not one of {leaves} leaves")
    here, last, value = index, leaves - 1, start
    for sibling in path:
        if last == 0:
            raise Wrong("the path is too long")
        if here & 1 or here == last:
            value = node(keccak, sibling, value)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            value = node(keccak, value, sibling)
        here, last = here >> 1, last >> 1
    if last != 0:
        raise Wrong("the path is too short")
    return value


def check_proof(keccak, proof):
    """Holds what `keeper journal prove --json` prints against its root; returns the root."""
    unknown = sorted(proof.keys() - PROOF - MORE)
    if unknown:
        raise ValueError(f"the proof has members that are not of its form, which nothing binds: {', '.join(unknown)}")
    own = unhex(proof["leaf"])
    hashes = [proof.get("snapshot_hash"), proof.get("decision_hash")]
    if None not in hashes:
        made = leaf(keccak, unhex(proof["address"]), *map(unhex, hashes))
        if made != own:
            raise Wrong(f"leaf: address, snapshot_hash and decision_hash make {shown(made)}, not {proof['leaf']}")
    made = root_by(keccak, own, int(proof["index"]), int(proof["leaves"]), [unhex(part) for part in proof["path"]])
    if made != unhex(proof["root"]):
        raise Wrong(f"root: leaf and path make {shown(made)}, not {proof['root']}")
    return proof["root"]


# ---------------------------------------------------------------- the ledger


def item(value):
    return b"-" if value is None else str(len(value)).encode() + b":" + value


def record_hash(keccak, before, record):
    """The hash of an exported record, where that of the one before it is known."""
    kind = record["kind"]
    blobs = BLOBS.get(kind, set())
    raw = lambda name, text: unhex(text) if name in blobs else text.encode()
    columns = COLUMNS[kind].split()
    values = [None if record[name] is None else raw(name, record[name]) for name in columns]
    parts = [record["seq"].encode(), kind.encode(), *values]
    return keccak(before + b"".join(map(item, parts)))


def check_block(keccak, record):
    level = unhex(record["level"])
    made = root_over(keccak, [level[at : at + 32] for at in range(0, len(level), 32)])
    if made != unhex(record["root"]):
        raise Wrong(f"record {record['seq']}: its level makes the root {shown(made)}, not {record['root']}")


def check_records(keccak, records, before=None):
    """Yields exported records in their order, each held against the one before it.

    `before` is the hash of the record before the first; where it is not given and the first is not record 1, the hash of
    that one is taken as it is.
    """
    last = None
    for record in records:
        seq, told = int(record["seq"]), unhex(record["ledger_hash"])
        if last is not None and seq != last + 1:
            raise Wrong(f"record {last + 1} is missing")
        if last is None and before is None and seq == 1:
            before = bytes(32)
        if before is not None:
            made = record_hash(keccak, before, record)
            if made != told:
                raise Wrong(f"record {seq}: its content and the hash before it make {shown(made)}, not {shown(told)}")
        if record["kind"] == "block":
            check_block(keccak, record)
        last, before = seq, told
        yield record
    if last is None:
        raise Wrong("there is no record")


# ---------------------------------------------------------------- a proof against the ledger


def decided(roster, block):
    """The vaults with a leaf in the record of a block, in the order of the leaves, as they stand in its roster."""
    every = unhex(roster["vaults"])
    vaults = [every[at : at + 20] for at in range(0, len(every), 20)]
    absences = json.loads(block["absences"] or "[]")
    absent = {unhex(entry["vault"]) for entry in absences if "vault" in entry}
    return [] if any("vault" not in entry for entry in absences) else [vault for vault in vaults if vault not in absent]


class Bound:
    """Records of an export, taken in one by one, to which a proof is bound.

    Of rosters and of blocks no more is kept than the proof needs.
    """

    def __init__(self, proof):
        self.proof, self.block, self.roster, self.rosters, self.left, self.last = proof, None, None, {}, None, None

    def take(self, record):
        kind, self.last = record["kind"], record
        if kind == "roster":
            # A block is of the newest roster of its chain.
            self.rosters[record["chain_id"]] = record
        if record["seq"] == self.proof["seq"]:
            if kind != "block":
                raise Wrong(f"record {record['seq']} is no block, but of kind {kind}")
            self.block, self.roster = record, self.rosters.get(record["chain_id"])
        ours = self.block and (self.block["chain_id"], self.block["block_hash"])
        if kind == "orphaned" and ours == (record["chain_id"], record["block_hash"]):
            self.left = self.left or record["seq"]
        if kind == "returned" and ours == (record["chain_id"], record["block_hash"]):
            self.left = None

    def check(self):
        """Holds the proof against the record that it names."""
        proof, block, roster = self.proof, self.block, self.roster
        if block is None:
            raise Wrong(f"record {proof['seq']}, which the proof names, is not in the export")
        if roster is None or roster["id"] != block["roster_id"]:
            raise Wrong(f"roster {block['roster_id']} is not in the export: it has to begin before it")
        members = {"block": "block_number", "block_hash": "block_hash", "leaves": "leaves", "root": "root"}
        members |= {"ledger_hash": "ledger_hash"} | {name: name for name in MORE if name in proof}
        for name, column in members.items():
            if proof[name] != block[column]:
                raise Wrong(f"{name}: {proof[name]} in the proof, {block[column]} in record {block['seq']}")
        vaults, index = decided(roster, block), int(proof["index"])
        if len(vaults) != int(block["leaves"]):
            raise Wrong(f"record {block['seq']}: its roster has {len(vaults)} vaults with a leaf, not {block['leaves']}")
        if vaults[index] != unhex(proof["address"]):
            raise Wrong(f"address: {proof['address']} in the proof, leaf {index} is that of vault {shown(vaults[index])}")

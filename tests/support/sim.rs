//! A simulated chain with nodes that lag, lie, lose and forget, a journal that survives crashes, and a clock of blocks.
//! Everything in it happens in one thread and in one order.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "a simulation fails where it stands; its figures are within known bounds"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, U256};
use vault_keeper::execution::machine::{
    Account, Admission, Attempt, CANCEL_GAS, Claim, Event, Fees, Kind, Limits, Look, Market, Mined, Node,
    Phase, Plan, Point, Rank, Rules, Signing, Slot, Tended, Witness, World, admit, bumped, joined, observe,
    publish, tend,
};
use vault_keeper::execution::{Doubt, Published, Rejection};

/// Blocks on top of a block that make it final here; no reorganisation of the simulation is deeper.
pub(crate) const DEPTH: u64 = 5;
/// Seconds from block to block.
const BLOCK_TIME: u64 = 12;
/// Base fee in calm times, wei per gas.
pub(crate) const CALM: u64 = 10;
const GAS: u64 = 300_000;

pub(crate) const RULES: Rules = Rules {
    bump_after: 3,
    most_attempts: 8,
    park_after: 60,
    calls: Limits { per_gas: 200, in_all: U256::from_limbs([200 * GAS, 0, 0, 0]) },
    cancels: Limits { per_gas: 500, in_all: U256::from_limbs([500 * CANCEL_GAS, 0, 0, 0]) },
};

/// What a node does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Answers nothing.
    Down,
    /// Answers from so many blocks ago.
    Lags(u64),
    /// Knows no receipts.
    NoReceipts,
    /// Tells of receipts in blocks that there are not.
    ForgedReceipts,
    /// Tells of receipts in blocks that it makes up as well.
    ForgedBlocks,
    /// Takes bytes, and its answer is lost.
    LosesAnswers,
    /// Says that it took bytes, and forgets them.
    Forgets,
    /// Takes bytes and answers another hash.
    WrongHash,
    /// Refuses everything for lack of funds.
    Poor,
}

impl Fault {
    /// Whether its answers are untrue about the chain, rather than missing or late.
    pub(crate) const fn is_a_lie(self) -> bool {
        matches!(self, Self::NoReceipts | Self::ForgedReceipts | Self::ForgedBlocks)
    }
}

#[derive(Debug, Clone)]
struct Block {
    hash: B256,
    time: u64,
    base_fee: u64,
    transactions: Vec<B256>,
}

#[derive(Debug, Clone)]
struct Transaction {
    nonce: u64,
    fees: Fees,
    /// The vault it calls with the vault's own nonce and the deadline; absent for cancels and foreign ones.
    call: Option<(Address, u64, u64)>,
}

#[derive(Debug, Clone)]
struct Peer {
    fault: Fault,
    pool: BTreeMap<u64, B256>,
}

#[derive(Debug)]
struct State {
    blocks: Vec<Block>,
    base_fee: u64,
    made: u64,
    signed: BTreeMap<B256, Transaction>,
    sent: Vec<B256>,
    /// What a node took from the keeper.
    taken: BTreeSet<B256>,
    peers: Vec<Peer>,
    reader: usize,
    /// Vaults whose calls revert when they are run again.
    averse: BTreeSet<Address>,
    /// Whether the key is away: nothing is raised or cancelled.
    keyless: bool,
    journal: Vec<(Slot, Vec<Event>)>,
    /// Durable steps until the process dies.
    dies_in: Option<u32>,
    dead: bool,
    held: u32,
}

/// The world, shared by the keeper and who plays against it.
#[derive(Debug)]
pub(crate) struct Sim(RefCell<State>);

/// The process died, or no node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Dead,
    NoNode,
}

impl Sim {
    pub(crate) fn new(nodes: usize) -> Self {
        let genesis =
            Block { hash: B256::from(U256::from(1)), time: 1_000, base_fee: CALM, transactions: Vec::new() };
        Self(RefCell::new(State {
            blocks: vec![genesis],
            base_fee: CALM,
            made: 1,
            signed: BTreeMap::new(),
            sent: Vec::new(),
            taken: BTreeSet::new(),
            peers: vec![Peer { fault: Fault::None, pool: BTreeMap::new() }; nodes],
            reader: 0,
            averse: BTreeSet::new(),
            keyless: false,
            journal: Vec::new(),
            dies_in: None,
            dead: false,
            held: 0,
        }))
    }

    /// Mines a block from the pool of one node.
    pub(crate) fn mine(&self, node: usize) {
        let state = &mut *self.0.borrow_mut();
        let mut transactions = Vec::new();
        let mut nonce = state.count(state.blocks.len() - 1);
        let pool = state.peers[node % state.peers.len()].pool.clone();
        while let Some(hash) =
            pool.get(&nonce).filter(|hash| state.signed[*hash].fees.cap >= u128::from(state.base_fee))
        {
            transactions.push(*hash);
            nonce += 1;
        }
        state.extend(transactions);
    }

    /// Replaces the newest blocks by as many others, with or without their transactions.
    pub(crate) fn reorganise(&self, depth: u64, keep: bool) {
        let state = &mut *self.0.borrow_mut();
        let depth = (depth.clamp(1, DEPTH) as usize).min(state.blocks.len() - 1);
        let left = state.blocks.split_off(state.blocks.len() - depth);
        for block in left {
            if keep {
                state.pooled(&block.transactions);
            }
            state.extend(if keep { block.transactions } else { Vec::new() });
        }
    }

    pub(crate) fn base_fee(&self, fee: u64) {
        self.0.borrow_mut().base_fee = fee;
    }

    pub(crate) fn fault(&self, node: usize, fault: Fault) {
        let state = &mut *self.0.borrow_mut();
        let node = node % state.peers.len();
        state.peers[node].fault = fault;
    }

    /// From now on the key is away, or back.
    pub(crate) fn keep_the_key(&self, away: bool) {
        self.0.borrow_mut().keyless = away;
    }

    /// From now on calls of a vault revert when they are run again, or do not.
    pub(crate) fn turn_averse(&self, vault: u8, averse: bool) {
        let (state, vault) = (&mut *self.0.borrow_mut(), Address::repeat_byte(vault));
        if averse {
            state.averse.insert(vault)
        } else {
            state.averse.remove(&vault)
        };
    }

    /// Empties the pool of a node.
    pub(crate) fn drop_pool(&self, node: usize) {
        let state = &mut *self.0.borrow_mut();
        let node = node % state.peers.len();
        state.peers[node].pool.clear();
    }

    /// Hands bytes that were once sent to a node again: anybody may.
    pub(crate) fn replay(&self, which: usize, node: usize) {
        let state = &mut *self.0.borrow_mut();
        if state.sent.is_empty() {
            return;
        }
        let (hash, node) = (state.sent[which % state.sent.len()], node % state.peers.len());
        let nonce = state.signed[&hash].nonce;
        state.peers[node].pool.insert(nonce, hash);
    }

    /// A transaction that someone else signed with the key, at the next nonce of the chain.
    pub(crate) fn foreign(&self) {
        let state = &mut *self.0.borrow_mut();
        let nonce = state.count(state.blocks.len() - 1);
        let fees = Fees { cap: 10_000, tip: 10_000 };
        let hash = state.sign(Transaction { nonce, fees, call: None });
        for peer in &mut state.peers {
            peer.pool.insert(nonce, hash);
        }
    }

    pub(crate) fn die_in(&self, steps: u32) {
        self.0.borrow_mut().dies_in = Some(steps);
    }

    /// Ends everything that goes wrong.
    pub(crate) fn heal(&self) {
        let state = &mut *self.0.borrow_mut();
        state.base_fee = CALM;
        state.dies_in = None;
        state.keyless = false;
        state.peers.iter_mut().for_each(|peer| peer.fault = Fault::None);
    }

    /// What breaks an invariant now, if something does.
    pub(crate) fn broken(&self) -> Option<String> {
        let state = &*self.0.borrow();
        let slots = state.folded();
        let attempts: Vec<Attempt> = slots.iter().flat_map(|slot| slot.attempts.clone()).collect();
        let known = |hash: &B256| attempts.iter().any(|attempt| attempt.hash == *hash);
        if let Some(stray) = state.sent.iter().find(|hash| !known(hash)) {
            return Some(format!("I2: {stray} was sent and is not in the journal"));
        }
        let mut nonces: Vec<u64> = slots.iter().map(|slot| slot.nonce).collect();
        nonces.dedup();
        if nonces.len() != slots.len() {
            return Some("I3: a nonce has two slots".into());
        }
        slots.iter().find_map(|slot| state.broken(slot))
    }

    /// Nonces that have not ended, as the journal has them.
    pub(crate) fn open(&self) -> Vec<Slot> {
        let folded = self.0.borrow().folded();
        folded.into_iter().filter(|slot| !matches!(slot.phase, Phase::Ended(_))).collect()
    }

    /// All nonces, as the journal has them.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.0.borrow().folded()
    }

    /// Transactions of the key on the chain.
    pub(crate) fn consumed(&self) -> u64 {
        let state = self.0.borrow();
        state.count(state.blocks.len() - 1)
    }

    /// Whether a node holds these bytes now.
    pub(crate) fn holds(&self, node: usize, hash: B256) -> bool {
        self.0.borrow().peers[node].pool.values().any(|held| *held == hash)
    }

    /// How often somebody was told that no cap allows a bump.
    pub(crate) fn held_up(&self) -> u32 {
        self.0.borrow().held
    }

    fn next_nonce(&self) -> Option<u64> {
        self.0.borrow().journal.last().map(|(slot, _)| slot.nonce + 1)
    }

    /// The nodes that answer, another one first each time.
    fn readers(&self) -> Result<(View<'_>, Option<View<'_>>, bool), Stop> {
        let state = &mut *self.0.borrow_mut();
        state.reader += 1;
        let count = state.peers.len();
        let mut up = (0..count)
            .map(|at| (at + state.reader) % count)
            .filter(|at| state.peers[*at].fault != Fault::Down);
        let first = up.next().ok_or(Stop::NoNode)?;
        let view = |node| View { sim: self, node };
        Ok((view(first), up.next().map(view), count == 1))
    }

    /// A durable step, unless the process dies before it.
    fn step(&self) -> Result<(), Stop> {
        let state = &mut *self.0.borrow_mut();
        if let Some(left) = state.dies_in.as_mut() {
            if *left == 0 {
                state.dead = true;
                state.dies_in = None;
            } else {
                *left -= 1;
            }
        }
        if state.dead { Err(Stop::Dead) } else { Ok(()) }
    }

    fn append(&self, nonce: u64, event: &Event) {
        let state = &mut *self.0.borrow_mut();
        let slot = state.journal.iter_mut().find(|(slot, _)| slot.nonce == nonce).unwrap();
        slot.1.push(event.clone());
    }

    fn signed(&self, nonce: u64, fees: Fees, call: Option<(Address, u64, u64)>) -> B256 {
        self.0.borrow_mut().sign(Transaction { nonce, fees, call })
    }

    fn call_of(&self, slot: &Slot, claim: usize) -> Option<(Address, u64, u64)> {
        let state = self.0.borrow();
        let first = slot.attempts.iter().find(|attempt| attempt.claim == claim)?;
        state.signed[&first.hash].call
    }
}

impl State {
    fn sign(&mut self, transaction: Transaction) -> B256 {
        self.made += 1;
        let hash = B256::from(U256::from(self.made));
        self.signed.insert(hash, transaction);
        hash
    }

    fn extend(&mut self, transactions: Vec<B256>) {
        self.made += 1;
        let time = self.blocks.last().unwrap().time + BLOCK_TIME;
        let hash = B256::from(U256::from(self.made));
        self.blocks.push(Block { hash, time, base_fee: self.base_fee, transactions });
    }

    /// As nodes do with what a reorganisation throws out: back into the pools, where something else may stand by now.
    fn pooled(&mut self, hashes: &[B256]) {
        for hash in hashes {
            let nonce = self.signed[hash].nonce;
            self.peers.iter_mut().for_each(|peer| {
                peer.pool.entry(nonce).or_insert(*hash);
            });
        }
    }

    /// Transactions up to a height.
    fn count(&self, height: usize) -> u64 {
        self.blocks.iter().take(height + 1).map(|block| block.transactions.len() as u64).sum()
    }

    /// What breaks an invariant of one nonce.
    fn broken(&self, slot: &Slot) -> Option<String> {
        let nonce = slot.nonce;
        let succeeded = |claim: usize| {
            let own = |attempt: &&Attempt| attempt.claim == claim && attempt.kind != Kind::Cancel;
            slot.attempts.iter().filter(own).filter(|attempt| self.succeeded(&attempt.hash)).count()
        };
        if let Some(times) = (0..slot.claims.len()).map(succeeded).find(|times| *times > 1) {
            return Some(format!("I1: a claim of nonce {nonce} was executed {times} times"));
        }
        if slot.attempts.iter().any(|attempt| self.signed[&attempt.hash].nonce != nonce) {
            return Some(format!("I3: an intent of nonce {nonce} has another nonce too"));
        }
        if let Phase::Ended(end) = slot.phase
            && self.place(&end.mined.attempt, self.blocks.len() - 1).is_none()
        {
            return Some(format!("I9: nonce {nonce} ended by what is not on the chain"));
        }
        let over = |attempt: &&Attempt| match attempt.kind {
            Kind::Cancel => attempt.fees.cap > RULES.cancels.per_gas(CANCEL_GAS),
            Kind::Original | Kind::Bump => attempt.fees.cap > RULES.calls.per_gas(GAS),
        };
        slot.attempts.iter().find(over).map(|over| format!("I6: {over:?} is over its cap"))
    }

    /// Where a transaction stands, seen from a height.
    fn place(&self, hash: &B256, height: usize) -> Option<usize> {
        self.blocks.iter().take(height + 1).position(|block| block.transactions.contains(hash))
    }

    /// Whether a transaction is on the chain and did what it says, by the vaults' own nonces and the deadline.
    fn succeeded(&self, wanted: &B256) -> bool {
        let mut nonces: BTreeMap<Address, u64> = BTreeMap::new();
        let mined = self
            .blocks
            .iter()
            .flat_map(|block| block.transactions.iter().map(move |hash| (hash, block.time)));
        for (hash, time) in mined {
            let success = self.signed[hash].call.is_some_and(|(vault, nonce, deadline)| {
                let next = nonces.entry(vault).or_default();
                let success = *next == nonce && time <= deadline;
                *next += u64::from(success);
                success
            });
            if hash == wanted {
                return success;
            }
        }
        false
    }

    /// The vault's own nonce at the head.
    fn vault_nonce(&self, vault: Address) -> u64 {
        let calls = self.blocks.iter().flat_map(|block| &block.transactions);
        let own = calls.filter(|hash| self.signed[*hash].call.is_some_and(|call| call.0 == vault));
        own.filter(|hash| self.succeeded(hash)).count() as u64
    }

    fn folded(&self) -> Vec<Slot> {
        let fold = |(first, events): &(Slot, Vec<Event>)| {
            let mut slot = first.clone();
            events.iter().for_each(|event| slot.apply(event));
            slot
        };
        self.journal.iter().map(fold).collect()
    }

    /// What a node answers to bytes, and does with them.
    fn accept(&mut self, node: usize, hash: B256) -> Published {
        let unclear = || Published::Ambiguous(Doubt::Unclear { message: "no answer".into() });
        let (fault, height) = (self.peers[node].fault, self.height(node));
        let transaction = self.signed[&hash].clone();
        match fault {
            Fault::Down => return unclear(),
            Fault::Forgets => return Published::Accepted,
            Fault::Poor => return Published::Rejected(Rejection::InsufficientFunds),
            Fault::None
            | Fault::Lags(_)
            | Fault::NoReceipts
            | Fault::ForgedReceipts
            | Fault::ForgedBlocks
            | Fault::LosesAnswers
            | Fault::WrongHash => {}
        }
        if self.count(height) > transaction.nonce {
            return Published::Ambiguous(Doubt::NonceTooLow);
        }
        let pool = &mut self.peers[node].pool;
        if let Some(old) = pool.get(&transaction.nonce).filter(|old| **old != hash) {
            let old = self.signed[old].fees;
            let above = |new: u128, old: u128| new > old && new >= old * 11 / 10;
            if !(above(transaction.fees.cap, old.cap) && above(transaction.fees.tip, old.tip)) {
                return Published::Ambiguous(Doubt::ReplacementUnderpriced);
            }
        }
        pool.insert(transaction.nonce, hash);
        self.taken.insert(hash);
        match fault {
            Fault::LosesAnswers => unclear(),
            Fault::WrongHash => Published::Ambiguous(Doubt::WrongHash { returned: B256::ZERO }),
            _ => Published::Accepted,
        }
    }

    /// The height that a node is at.
    fn height(&self, node: usize) -> usize {
        let head = self.blocks.len() - 1;
        match self.peers[node].fault {
            Fault::Lags(blocks) => head.saturating_sub(blocks as usize),
            _ => head,
        }
    }

    fn point(&self, height: usize) -> Option<Point> {
        let block = self.blocks.get(height)?;
        Some(Point { number: height as u64, hash: block.hash, time: block.time })
    }
}

/// The chain as one node tells it.
struct View<'a> {
    sim: &'a Sim,
    node: usize,
}

/// The hash of a block that there is not.
const MADE_UP: B256 = B256::repeat_byte(0xee);

impl View<'_> {
    fn ask<T>(&self, answer: impl FnOnce(&State, usize, Fault) -> T) -> Result<T, Stop> {
        let state = self.sim.0.borrow();
        let fault = state.peers[self.node].fault;
        if fault == Fault::Down {
            Err(Stop::NoNode)
        } else {
            Ok(answer(&state, state.height(self.node), fault))
        }
    }
}

impl Node for View<'_> {
    type Error = Stop;

    async fn head(&self) -> Result<(Point, Market), Stop> {
        let market =
            |state: &State, height: usize| Market { base_fee: state.blocks[height].base_fee, tip: 2 };
        self.ask(|state, height, _| (state.point(height).unwrap(), market(state, height)))
    }

    async fn block(&self, number: u64) -> Result<Option<Point>, Stop> {
        self.ask(|state, height, fault| {
            let point = state.point(number as usize).filter(|_| number as usize <= height)?;
            let forged = fault == Fault::ForgedBlocks && number as usize != height;
            Some(Point { hash: if forged { MADE_UP } else { point.hash }, ..point })
        })
    }

    async fn deep(&self, head: &Point) -> Result<Option<Point>, Stop> {
        let number = head.number.checked_sub(DEPTH);
        self.ask(|state, _, _| number.and_then(|number| state.point(number as usize)))
    }

    async fn transactions(&self, block: B256) -> Result<u64, Stop> {
        let counted = self.ask(|state, height, _| {
            let at = state.blocks.iter().take(height + 1).position(|b| b.hash == block)?;
            Some(state.count(at))
        })?;
        counted.ok_or(Stop::NoNode)
    }

    async fn receipt(&self, attempt: B256) -> Result<Option<Mined>, Stop> {
        self.ask(|state, height, fault| {
            let at = match fault {
                Fault::NoReceipts => return None,
                Fault::ForgedReceipts | Fault::ForgedBlocks => {
                    // Sometimes deep enough to be final.
                    let number = height.saturating_sub(1 + attempt.0[31] as usize % 9) as u64;
                    return Some(Mined { attempt, number, block: MADE_UP, success: true });
                }
                _ => state.place(&attempt, height)?,
            };
            let block = state.blocks[at].hash;
            Some(Mined { attempt, number: at as u64, block, success: state.succeeded(&attempt) })
        })
    }

    async fn contents(&self, number: u64) -> Result<Option<Vec<B256>>, Stop> {
        self.ask(|state, height, fault| {
            let block = state.blocks.get(number as usize).filter(|_| number as usize <= height)?;
            let hides = matches!(fault, Fault::NoReceipts | Fault::ForgedBlocks);
            Some(if hides { Vec::new() } else { block.transactions.clone() })
        })
    }
}

impl World for &Sim {
    type Error = Stop;

    async fn look(&mut self, slot: &Slot) -> Result<Option<Look>, Stop> {
        let (node, witness, alone) = self.readers()?;
        let missing = if alone { Witness::Needless } else { Witness::Missing };
        let look = observe(&node, witness.as_ref().map_or(missing, Witness::Node), slot).await?;
        let averse = |slot: &Slot| {
            slot.wanted().is_some_and(|(_, claim)| self.0.borrow().averse.contains(&claim.vault))
        };
        Ok(look.map(|look| Look { reverts: averse(slot), ..look }))
    }

    async fn record(&mut self, slot: &Slot, event: &Event) -> Result<(), Stop> {
        self.step()?;
        self.append(slot.nonce, event);
        self.step()
    }

    async fn sign(&mut self, slot: &Slot, look: &Look, signing: Signing) -> Result<Option<Attempt>, Stop> {
        if self.0.borrow().keyless {
            return Ok(None);
        }
        let Signing { kind, claim, fees } = signing;
        let call = if kind == Kind::Cancel { None } else { self.call_of(slot, claim) };
        let hash = self.signed(slot.nonce, fees, call);
        let attempt = Attempt { hash, claim, kind, fees, signed_at: look.head.number };
        self.record(slot, &Event::Signed(attempt)).await?;
        Ok(Some(attempt))
    }

    async fn publish(&mut self, slot: &Slot, _look: &Look) -> Published {
        let hash = slot.newest().unwrap().hash;
        if self.step().is_err() {
            return Published::Ambiguous(Doubt::Unclear { message: "dead".into() });
        }
        let answers = {
            let state = &mut *self.0.borrow_mut();
            state.sent.push(hash);
            (0..state.peers.len()).map(|node| state.accept(node, hash)).collect::<Vec<_>>()
        };
        let _ = self.step();
        joined(answers).unwrap()
    }

    fn held(&mut self, _slot: &Slot) {
        self.0.borrow_mut().held += 1;
    }
}

/// A keeper's process: what it holds in memory is lost when it dies.
#[derive(Debug)]
pub(crate) struct Process<'a> {
    sim: &'a Sim,
    open: Vec<Slot>,
    pub(crate) halted: bool,
}

impl<'a> Process<'a> {
    pub(crate) fn start(sim: &'a Sim) -> Self {
        sim.0.borrow_mut().dead = false;
        let open = sim.open().into_iter().map(Slot::recovered).collect();
        Self { sim, open, halted: false }
    }

    /// What this process believes, and is not so.
    pub(crate) fn broken(&self) -> Option<String> {
        let state = self.sim.0.borrow();
        let taken = |slot: &&Slot| slot.attempts.iter().any(|attempt| state.taken.contains(&attempt.hash));
        let refused = |slot: &&Slot| matches!(slot.phase, Phase::Refused(_));
        let slot = self.open.iter().filter(refused).find(taken)?;
        Some(format!("nonce {} counts as refused, and a node has its bytes", slot.nonce))
    }

    /// Looks at every open nonce; a process that dies starts again.
    pub(crate) async fn turn(&mut self) {
        if self.halted {
            return;
        }
        let mut slots = std::mem::take(&mut self.open);
        for at in 0..slots.len() {
            let rank = Rank::of(slots.iter(), at);
            match tend(&mut self.sim, &mut slots[at], &RULES, rank).await {
                Ok(Tended::Open | Tended::Ended) | Err(Stop::NoNode) => {}
                Ok(Tended::Halted) => self.halted = true,
                Err(Stop::Dead) => return *self = Self::start(self.sim),
            }
        }
        slots.retain(|slot| !matches!(slot.phase, Phase::Ended(_)));
        self.open = slots;
    }

    /// Takes on an intent, if the key may.
    pub(crate) async fn plan(&mut self, vault: u8, urgent: bool, patience: u64) {
        if self.halted {
            return;
        }
        match self.planned(Address::repeat_byte(vault), urgent, patience).await {
            Ok(()) | Err(Stop::NoNode) => {}
            Err(Stop::Dead) => *self = Self::start(self.sim),
        }
    }

    async fn planned(&mut self, vault: Address, urgent: bool, patience: u64) -> Result<(), Stop> {
        let (node, ..) = self.sim.readers()?;
        let (head, market) = node.head().await?;
        let latest = node.transactions(head.hash).await?;
        let account = Account { time: head.time, latest, pending: latest };
        let plan = Plan { vault, urgent };
        // The pool's count is no evidence here: nodes of the simulation forget.
        let Ok(admitted) = admit(&plan, &self.open, self.sim.next_nonce(), account, 3) else {
            self.halted = true;
            return Ok(());
        };
        let Ok(admission) = admitted else { return Ok(()) };
        let claim = Claim {
            vault,
            urgent,
            deadline: head.time + patience * BLOCK_TIME,
            gas_limit: GAS,
            withdrawn: false,
        };
        let call = Some((vault, self.sim.0.borrow().vault_nonce(vault), claim.deadline));
        let original =
            |hash, claim, fees| Attempt { hash, claim, kind: Kind::Original, fees, signed_at: head.number };
        let look = Look {
            head,
            deep: None,
            consumed: vault_keeper::execution::machine::Consumption::No,
            mined: None,
            market,
            reverts: false,
            witnessed: true,
        };
        let at = match admission {
            Admission::Next { nonce } => {
                let most = RULES.calls.per_gas(GAS);
                let fees = market.bid();
                if fees.cap > most {
                    return Ok(());
                }
                let attempt = original(self.sim.signed(nonce, fees, call), 0, fees);
                let slot = Slot::new(nonce, claim, attempt);
                self.sim.step()?;
                self.sim.0.borrow_mut().journal.push((slot.clone(), Vec::new()));
                self.sim.step()?;
                self.open.push(slot);
                self.open.len() - 1
            }
            Admission::Takeover { nonce, over } => {
                let Some(fees) = bumped(over.fees, market, RULES.calls.per_gas(GAS)) else { return Ok(()) };
                let at = self.open.iter().position(|slot| slot.nonce == nonce).unwrap();
                let attempt = original(self.sim.signed(nonce, fees, call), self.open[at].claims.len(), fees);
                let event = Event::Overtaken(claim, attempt);
                self.sim.record(&self.open[at], &event).await?;
                self.open[at].apply(&event);
                at
            }
        };
        publish(&mut self.sim, &mut self.open[at], &look).await?;
        Ok(())
    }

    /// Does not want the intents of a vault any more.
    pub(crate) async fn withdraw(&mut self, vault: u8) {
        for at in 0..self.open.len() {
            let own =
                self.open[at].wanted().is_some_and(|(_, claim)| claim.vault == Address::repeat_byte(vault));
            if !own || !self.open[at].is_in_flight() {
                continue;
            }
            match self.sim.record(&self.open[at], &Event::Withdrawn).await {
                Ok(()) => self.open[at].apply(&Event::Withdrawn),
                Err(_) => return *self = Self::start(self.sim),
            }
        }
    }
}

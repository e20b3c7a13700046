//! The endpoints of one chain as one: who may be asked, what counts, and who hears of a transaction.
//!
//! Rules it keeps: whoever served another chain is never asked again; what one verdict reads comes from one endpoint;
//! no verdict while the endpoints disagree; private bytes go to private relays alone.

mod agreement;
mod broadcast;
mod fees;
pub mod health;
mod lease;
mod look;
mod outgoing;
mod receipts;
mod relay;
mod standing;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{ChainError, Credentials, Endpoint, SecretUrl, Timeouts};
use crate::defence::defended;
use crate::domain::policy::ChainKind;
pub use broadcast::Answer;
pub use fees::{is_suspicious, plausible_tip};
use health::{Board, Rules};
pub use lease::Lease;
pub use outgoing::{Outgoing, PrivateBytes, PublicBytes};
pub use receipts::Second;
pub use relay::{Relay, RelayMethod};
pub use standing::{Change, Lie, Standing, State};

/// What all endpoints of a chain share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConfig {
    /// Chain id that every endpoint must serve.
    pub chain_id: u64,
    /// How the chain charges.
    pub kind: ChainKind,
    /// For connections and calls that read.
    pub timeouts: Timeouts,
    /// For a call that sends a transaction.
    pub send: Duration,
    /// What makes an endpoint healthy.
    pub rules: Rules,
}

/// A public endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Name in messages.
    pub name: String,
    /// Where it answers.
    pub url: SecretUrl,
    /// Where it tells of new blocks by itself, if it does.
    pub socket: Option<SecretUrl>,
}

/// A private relay.
#[derive(Debug, Clone)]
pub struct RelaySeat {
    /// Name in messages.
    pub name: String,
    /// Where it answers.
    pub url: SecretUrl,
    /// How it takes a transaction.
    pub method: RelayMethod,
    /// What its requests are signed with, if they are.
    pub credentials: Option<Credentials>,
}

/// The endpoints of one chain.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    members: Vec<Member>,
    relays: Vec<Relay>,
    board: Mutex<Board>,
    /// Place of the endpoint that is read.
    leased: Mutex<Option<usize>>,
    changes: Mutex<Vec<Notice>>,
    frozen: AtomicBool,
    started: Instant,
}

#[derive(Debug)]
struct Member {
    endpoint: Arc<Endpoint>,
    socket: Option<SecretUrl>,
}

/// A change of an endpoint's state, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Name of the state before.
    pub from: &'static str,
    /// The state now.
    pub to: State,
    /// How long it stays so at least, where that is known.
    pub returns_in: Option<Duration>,
}

impl Pool {
    /// Connects to all of them. Those that do not answer may come back.
    ///
    /// # Errors
    /// [`ChainError::WrongChainId`] where one serves another chain; the last failure where no public one answers;
    /// [`ChainError::NoVerdict`] where there is no public one.
    pub async fn open(
        config: PoolConfig,
        seats: Vec<Seat>,
        relays: Vec<RelaySeat>,
    ) -> Result<Self, ChainError> {
        let alone = seats.len() == 1;
        let members: Vec<Member> =
            seats.into_iter().map(|seat| config.member(seat, alone)).collect::<Result<_, _>>()?;
        let relays: Vec<Relay> =
            relays.into_iter().map(|seat| config.relay(seat)).collect::<Result<_, _>>()?;
        let (connected, related) = tokio::join!(
            join_all(members.iter().map(|member| member.endpoint.verify_chain_id())),
            join_all(relays.iter().map(Relay::verify_chain_id)),
        );
        let wrong = |answer: &&Result<(), ChainError>| matches!(answer, Err(ChainError::WrongChainId { .. }));
        if let Some(Err(wrong)) = connected.iter().chain(&related).find(wrong).filter(|_| defended(31)) {
            return Err(wrong.clone());
        }
        if connected.iter().all(Result::is_err) {
            let none =
                || ChainError::NoVerdict { reason: "there is no public endpoint; name one".to_owned() };
            return Err(connected.into_iter().find_map(Result::err).unwrap_or_else(none));
        }
        let connected = connected.into_iter().map(|answer| answer.map_err(|error| error.to_string()));
        let pool = Self::seated(config, members, relays, connected.collect());
        if !alone {
            pool.look().await;
        }
        Ok(pool)
    }

    /// One endpoint that is connected already, and nothing beside it.
    #[must_use]
    pub fn of_one(endpoint: Arc<Endpoint>) -> Self {
        let config = PoolConfig {
            chain_id: endpoint.chain_id(),
            kind: endpoint.kind(),
            timeouts: Timeouts { connect: endpoint.patience(), request: endpoint.patience() },
            send: endpoint.patience(),
            rules: Rules::default(),
        };
        Self::seated(config, vec![Member { endpoint, socket: None }], Vec::new(), vec![Ok(())])
    }

    fn seated(
        config: PoolConfig,
        members: Vec<Member>,
        relays: Vec<Relay>,
        connected: Vec<Result<(), String>>,
    ) -> Self {
        Self {
            board: Mutex::new(Board::new(config.rules, connected)),
            config,
            members,
            relays,
            leased: Mutex::default(),
            changes: Mutex::default(),
            frozen: AtomicBool::new(false),
            started: Instant::now(),
        }
    }

    /// Chain id of the configuration.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.config.chain_id
    }

    /// How the chain charges.
    #[must_use]
    pub const fn kind(&self) -> ChainKind {
        self.config.kind
    }

    /// The public endpoints and how each stands.
    #[must_use]
    pub fn standings(&self) -> Vec<(String, Standing)> {
        let board = self.board();
        self.members
            .iter()
            .zip(board.standings())
            .map(|(member, standing)| (member.endpoint.name().to_owned(), standing.clone()))
            .collect()
    }

    /// Names of the private relays.
    pub fn relays(&self) -> impl Iterator<Item = &str> {
        self.relays.iter().map(Relay::name)
    }

    /// Asks every private relay which chain it serves: its name, and the failure where there is one.
    pub async fn ask_relays(&self) -> Vec<(String, Result<(), ChainError>)> {
        join_all(
            self.relays.iter().map(async |relay| (relay.name().to_owned(), relay.verify_chain_id().await)),
        )
        .await
    }

    /// The highest head of those that have not lied, at the last look.
    #[must_use]
    pub fn best_height(&self) -> Option<u64> {
        let board = self.board();
        let believed = board.standings().iter().filter(|standing| !standing.is_barred());
        believed.filter_map(|standing| standing.tip).map(|tip| tip.number).max()
    }

    /// The changes since this was asked last.
    #[must_use]
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *locked(&self.changes))
    }

    /// Whether the head stands still: then nothing that is read is news, and there are no verdicts.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    /// The head stands still, or moves again.
    pub(in crate::chain) fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }

    /// Notes that an endpoint said what cannot be true.
    fn lied(&self, place: usize, lie: Lie) {
        let change = self.board().lied(place, lie, self.now());
        self.noted(change);
    }

    fn noted(&self, changes: impl IntoIterator<Item = Change>) {
        let board = self.board();
        let mut notices = locked(&self.changes);
        for change in changes {
            let Some(member) = self.members.get(change.place) else { continue };
            let returns_at = board.standings().get(change.place).and_then(|standing| standing.returns_at);
            notices.push(Notice {
                endpoint: member.endpoint.name().to_owned(),
                from: change.from,
                to: change.to,
                returns_in: returns_at.map(|at| at.saturating_sub(self.now())),
            });
        }
    }

    /// Time since the start of the pool.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        locked(&self.board)
    }
}

impl PoolConfig {
    fn member(&self, seat: Seat, alone: bool) -> Result<Member, ChainError> {
        let endpoint = Endpoint::unverified(&seat.name, seat.url, self.chain_id, self.timeouts)?;
        let endpoint = endpoint.of_kind(self.kind).sending_within(self.send);
        // Where there are others, one of them is asked meanwhile.
        let endpoint = if alone { endpoint.waiting_out_limits() } else { endpoint };
        Ok(Member { endpoint: Arc::new(endpoint), socket: seat.socket })
    }

    fn relay(&self, seat: RelaySeat) -> Result<Relay, ChainError> {
        let RelaySeat { name, url, method, credentials } = seat;
        let relay = Relay::new((&name, url), self.chain_id, self.timeouts, method, credentials)?;
        Ok(relay.sending_within(self.send))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! New blocks: by subscription where an endpoint offers one, by polling where it does not or falls silent.
//!
//! Every head is joined to the one before by parent hashes: what lies between is delivered, what left the chain is
//! named, at whatever height the new head is.

mod line;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::pool::{Lease, Pool};
use super::{ChainError, Endpoint, Header};
use crate::defence::defended;
use line::{Line, Place};
use socket::Socket;
pub use socket::try_socket;

/// Most headers that are fetched to join a head to the one before.
const LONGEST_WALK: usize = 128;

/// A head that differs from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHead {
    /// The head.
    pub header: Header,
    /// The headers between it and the last common one, oldest first.
    pub between: Vec<Header>,
    /// Heights between the previous head and this one that are neither in `between` nor were seen as head: only where
    /// the gap is wider than 128 blocks, or the node no longer has them.
    pub skipped: u64,
    /// Earlier heads, and headers between them, that are no longer part of the chain, oldest first.
    pub left: Vec<Header>,
    /// Whether the previous head is no longer part of the chain. After skipped heights it is not known and reads
    /// `false`.
    pub replaced_previous: bool,
    /// Whether it descends from a head before it, or was one: then all that left the chain since is in `left`. The first head
    /// does not, nor does one after skipped heights.
    pub joined: bool,
}

/// What there is to know about the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadEvent {
    /// It is another.
    New(Box<NewHead>),
    /// It has been the same for this long, which is longer than it may: verdicts stop until it moves.
    Frozen(Duration),
}

/// When to look for a head, and when to worry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadTimes {
    /// Between two looks without a subscription.
    pub poll: Duration,
    /// After which one looks although there is a subscription: more than a block takes.
    pub distrust: Duration,
    /// After which the same head is an alarm.
    pub frozen: Duration,
}

/// The heads of one chain.
#[derive(Debug)]
pub struct Heads {
    pool: Arc<Pool>,
    times: HeadTimes,
    line: Line,
    /// Who told the newest head.
    teller: Option<Lease>,
    socket: Option<(Lease, Socket)>,
    next_poll: Instant,
    /// Whether the next look is one that the subscription should make needless.
    trusting: bool,
    moved: Instant,
    told_frozen: bool,
}

/// What woke the wait for a head.
enum Woken {
    Told(Header),
    Broken,
    Poll,
    Frozen,
}

impl Heads {
    /// The heads that `pool` tells from now on; the current one comes first.
    #[must_use]
    pub fn new(pool: Arc<Pool>, times: HeadTimes) -> Self {
        let now = Instant::now();
        Self {
            pool,
            times,
            line: Line::default(),
            teller: None,
            socket: None,
            next_poll: now,
            trusting: false,
            moved: now,
            told_frozen: false,
        }
    }

    /// Waits for the next event. It may be dropped at any time and called again.
    ///
    /// # Errors
    /// The first failed call; the caller decides when to ask again.
    pub async fn next(&mut self) -> Result<HeadEvent, ChainError> {
        loop {
            let lease = self.pool.scout()?;
            self.listen_to(&lease);
            let header = match self.woken().await {
                Woken::Frozen => {
                    self.told_frozen = true;
                    self.pool.freeze(defended(26));
                    return Ok(HeadEvent::Frozen(self.moved.elapsed()));
                }
                Woken::Told(header) => header,
                Woken::Broken => {
                    self.trusting = false;
                    self.polled(&lease).await?
                }
                Woken::Poll => self.polled(&lease).await?,
            };
            self.rest();
            let taken = self.taken(&lease, header).await;
            if taken.is_err() {
                // It will not be told again.
                self.trusting = false;
                self.next_poll = Instant::now().checked_add(self.times.poll).unwrap_or(self.next_poll);
            }
            if let Some(head) = taken? {
                self.moved = Instant::now();
                self.told_frozen = false;
                self.pool.freeze(false);
                return Ok(HeadEvent::New(Box::new(head)));
            }
        }
    }

    async fn woken(&mut self) -> Woken {
        let frozen_at = self.moved.checked_add(self.times.frozen).filter(|_| !self.told_frozen);
        let frozen = async {
            match frozen_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let told = async {
            match &mut self.socket {
                Some((_, socket)) => socket.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            header = told => header.map_or(Woken::Broken, Woken::Told),
            () = sleep_until(self.next_poll) => Woken::Poll,
            () = frozen => Woken::Frozen,
        }
    }

    /// The newest header by asking. A subscription that did not tell it is dead and is taken out anew.
    async fn polled(&mut self, lease: &Lease) -> Result<Header, ChainError> {
        let trusted = self.trusting;
        let asked = lease.latest_header().await;
        // A failure is no reason to ask again at once.
        self.rest();
        let header = asked?;
        let missed = self.line.tip().is_some_and(|tip| tip.number < header.number);
        if missed && trusted {
            tracing::warn!(
                endpoint = lease.name(),
                alert = "subscription_silent",
                "blocks come and are not told; polling"
            );
            self.socket = None;
        }
        Ok(header)
    }

    /// Puts off the next look.
    fn rest(&mut self) {
        self.trusting = self.socket.as_ref().is_some_and(|(_, socket)| socket.is_live());
        let pause = match self.trusting {
            true if defended(52) => self.times.distrust.max(self.times.poll),
            // Whoever believes that a subscription tells everything.
            true => Duration::from_secs(3_600),
            false => self.times.poll,
        };
        self.next_poll = Instant::now().checked_add(pause).unwrap_or(self.next_poll);
    }

    /// Subscribes where the endpoint that is read offers it, and to no other.
    fn listen_to(&mut self, lease: &Lease) {
        if self.socket.as_ref().is_some_and(|(of, _)| of.is_of(lease)) {
            return;
        }
        let open = |url| Socket::open(lease.name(), url, self.pool.chain_id());
        self.socket = lease.socket().map(|url| (lease.clone(), open(url)));
    }

    /// Takes a header as head; nothing where it is no news.
    async fn taken(&mut self, lease: &Lease, header: Header) -> Result<Option<NewHead>, ChainError> {
        let known = self.line.place(&header);
        let same_teller = self.teller.as_ref().is_some_and(|teller| teller.is_of(lease));
        // Another endpoint may be a block behind: that is not a chain that went back.
        let stale = matches!(known, Place::Earlier) && !same_teller;
        if matches!(known, Place::Tip) || stale {
            return Ok(None);
        }
        let head = joined(lease, &mut self.line, header).await?;
        self.teller = Some(lease.clone());
        Ok(Some(head))
    }
}

/// Joins `header` to the line by its parents.
async fn joined(endpoint: &Endpoint, line: &mut Line, header: Header) -> Result<NewHead, ChainError> {
    let mut walked = vec![header];
    while let Some(parent) = walked.last().and_then(|oldest| line.missing_parent(oldest)) {
        if walked.len() > LONGEST_WALK {
            break;
        }
        match endpoint.header_by_hash(parent).await? {
            Some(parent) => walked.push(parent),
            None => break,
        }
    }
    line.take(walked).ok_or_else(|| ChainError::NoVerdict { reason: "no header came".to_owned() })
}

/// Waits until the head of the chain is another than `previous`, asking every `interval`.
///
/// Without a previous head the current one is returned at once.
///
/// # Errors
/// The first failed call; the caller decides when to ask again.
pub async fn next_head(
    endpoint: &Endpoint,
    previous: Option<&Header>,
    interval: Duration,
) -> Result<NewHead, ChainError> {
    let mut line = Line::default();
    if let Some(previous) = previous {
        line.take(vec![previous.clone()]);
    }
    loop {
        let header = endpoint.latest_header().await?;
        if !matches!(line.place(&header), Place::Tip) {
            return joined(endpoint, &mut line, header).await;
        }
        tokio::time::sleep(interval).await;
    }
}

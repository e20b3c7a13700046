//! The option book of a delta hedge: that vault and policy name the same one, that its legs are known, and settled in time.

use alloy::primitives::Address;

use crate::cli::clock::span;
use crate::domain::options::{Book, value};
use crate::domain::policy::{Policy, PublishedPolicy};
use crate::domain::reason::{ImpliedFault, Reason};
use crate::domain::snapshot::{OptionBook, Snapshot, Vault};
use crate::domain::units::Real;
use crate::domain::volatility::estimate;
use crate::protocols::abi;
use crate::protocols::multicall::alone;

use super::endpoints::Reached;
use super::finding::Finding;

/// Looks at the book that vault and policy name, and at its legs.
pub(super) fn check(snapshot: &Snapshot, published: &PublishedPolicy) -> Vec<Finding> {
    let policy = published.policy();
    let Some(book) = policy.option_book() else { return unhedged(&snapshot.vault).into_iter().collect() };
    let mut findings = vec![same_book(book, snapshot.vault.option_book)];
    findings.push(legs(snapshot, published));
    let expired = snapshot.options.as_ref().and_then(|options| unsettled(options, snapshot.block.timestamp));
    findings.extend(expired);
    findings
}

/// A book that the policy does not hedge.
fn unhedged(vault: &Vault) -> Option<Finding> {
    let book = vault.option_book?;
    let what = format!("the vault's option book {book} is not hedged: the policy names none");
    let remedy =
        "approve a delta_hedge policy, or let the owner call setOptionBook(0) once no option is open";
    Some(Finding::warning("option_book", what, remedy))
}

fn same_book(policy: Address, vault: Option<Address>) -> Finding {
    match vault {
        Some(vault) if vault == policy => {
            Finding::ok("option_book", format!("policy and vault name the same option book {policy}"))
        }
        Some(vault) => {
            let what = format!("the policy's option book is {policy}, the vault's {vault}");
            Finding::error("option_book", what, "write the vault's book into strategy.book of the policy")
        }
        None => {
            let what = format!("the policy hedges option book {policy}, the vault has none");
            Finding::error("option_book", what, format!("let the owner call setOptionBook({policy})"))
        }
    }
}

/// Whether a decision can value every leg: by the decision's own code.
fn legs(snapshot: &Snapshot, published: &PublishedPolicy) -> Finding {
    let policy = published.policy();
    let valued = crate::domain::valuation::value(snapshot, published)
        .and_then(|books| value(snapshot, published, &books, volatility(snapshot, policy)?));
    match valued {
        Ok(book) => valued_legs(book.as_ref()),
        Err(reason) => Finding::error("option_legs", reason.to_string(), remedy(&reason)),
    }
}

/// What is missing here has been told of with the feeds.
fn volatility(snapshot: &Snapshot, policy: &Policy) -> Result<Real, Reason> {
    match estimate(snapshot, &policy.volatility) {
        Err(Reason::NoVolatility { .. }) => Ok(Real::new(policy.volatility.floor.real())?),
        other => other,
    }
}

fn valued_legs(book: Option<&Book>) -> Finding {
    let (count, delta) = book.map_or((0, 0.0), |book| (book.legs.len(), book.delta.get()));
    Finding::ok("option_legs", format!("{count} option legs are open, their delta is {delta:.6} units"))
}

fn remedy(reason: &Reason) -> &'static str {
    if matches!(reason, Reason::NoOptionBook { .. }) {
        "name an IOptionBook on this chain in strategy.book"
    } else if matches!(reason, Reason::TooManyLegs { .. }) {
        "settle what has expired, and open fewer positions"
    } else if matches!(reason, Reason::NoImpliedVolatility { fault: ImpliedFault::BeyondSmile, .. }) {
        "add a later expiry to strategy.implied"
    } else if matches!(reason, Reason::NoImpliedVolatility { .. }) {
        "see to the volatility feed, or raise max_age_seconds of strategy.implied"
    } else {
        "see to what is said about feeds and policy"
    }
}

/// Legs that keep the vault closed though their time is over.
fn unsettled(options: &OptionBook, now: u64) -> Option<Finding> {
    let expired: Vec<_> = options.legs.iter().filter(|leg| leg.expiry <= now).collect();
    let oldest = expired.iter().map(|leg| leg.expiry).min()?;
    let ids: Vec<_> = expired.iter().map(|leg| leg.id.to_string()).collect();
    let age = span(now.saturating_sub(oldest));
    let what =
        format!("option legs {} have expired, the first {age} ago, and are not settled", ids.join(", "));
    let remedy = "call settle of the book with the feed's last round before the expiry; anyone may";
    Some(Finding::warning("option_settlement", what, remedy))
}

/// Whether the book settles by the feed that the policy names.
pub(super) async fn feed(reached: &Reached, policy: &Policy) -> Option<Finding> {
    let book = policy.option_book()?;
    let call = abi::OptionBook::feedCall {};
    match alone(&reached.endpoint, reached.header.hash, book, &call).await {
        Ok(found) => found.map(|its| same_feed(policy.feeds.risky_usd.address, its)),
        Err(error) => Some(Finding::unread("option_feed", &error)),
    }
}

fn same_feed(policy: Address, book: Address) -> Finding {
    if policy == book {
        return Finding::ok("option_feed", "the option book settles by the policy's risky_usd feed");
    }
    let what = format!("the option book settles by feed {book}, the policy's risky_usd feed is {policy}");
    Finding::error("option_feed", what, "use a book of the policy's feed: a hedge by another does not fit")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use alloy::primitives::{I256, U256};

    use super::super::finding::Level;
    use super::super::fixture;
    use super::*;
    use crate::config::load_policy;
    use crate::domain::policy::{ImpliedPolicy, StrategyPolicy};
    use crate::domain::snapshot::{ImpliedVolatility, OptionKind, OptionLeg};

    const HOUR: u64 = 3_600;

    fn hedge(implied: Option<ImpliedPolicy>) -> PublishedPolicy {
        let mut policy =
            load_policy(Path::new("examples/policies/delta-hedge.toml")).unwrap().policy().clone();
        if let (StrategyPolicy::DeltaHedge { implied: now, .. }, Some(other)) =
            (&mut policy.strategy, implied)
        {
            *now = other;
        }
        PublishedPolicy::new(policy).unwrap()
    }

    fn by_feed() -> PublishedPolicy {
        hedge(Some(ImpliedPolicy::Feed { address: Address::repeat_byte(5), max_age_seconds: HOUR }))
    }

    /// The healthy vault with so many written calls that expire `seconds` after the block, or before it.
    fn scene(policy: &PublishedPolicy, count: u64, seconds: i64) -> Snapshot {
        let mut snapshot = fixture::snapshot();
        let now = snapshot.block.timestamp;
        let leg = |id| OptionLeg {
            id,
            kind: OptionKind::Call,
            strike: U256::from(3_000_000_000_000_000_000_000_u128),
            expiry: now.checked_add_signed(seconds).unwrap(),
            size: I256::try_from(-1_000_000_000_000_000_000_i64).unwrap(),
            implied: Some(ImpliedVolatility {
                annual: U256::from(600_000_000_000_000_000_u64),
                updated_at: now.saturating_sub(HOUR),
            }),
        };
        let address = policy.policy().option_book().unwrap();
        snapshot.options = Some(OptionBook { address, legs: (1..=count).map(leg).collect() });
        snapshot.vault.option_book = Some(address);
        snapshot.vault.policy_hash = policy.hash();
        snapshot.vault.floor_policy = policy.policy().floor;
        snapshot
    }

    fn found(snapshot: &Snapshot, policy: &PublishedPolicy) -> Vec<(&'static str, Level)> {
        check(snapshot, policy).into_iter().map(|finding| (finding.check, finding.level)).collect()
    }

    fn of(check_name: &str, snapshot: &Snapshot, policy: &PublishedPolicy) -> Finding {
        check(snapshot, policy).into_iter().find(|finding| finding.check == check_name).unwrap()
    }

    #[test]
    fn a_healthy_book_is_told_with_its_delta() {
        for policy in [hedge(None), by_feed()] {
            let snapshot = scene(&policy, 64, 864_000);
            assert_eq!(found(&snapshot, &policy), [("option_book", Level::Ok), ("option_legs", Level::Ok)]);
            let what = of("option_legs", &snapshot, &policy).what;
            assert!(what.starts_with("64 option legs are open, their delta is -3"), "{what}");
        }
    }

    #[test]
    fn a_policy_that_hedges_nothing_warns_of_a_book_and_is_silent_without() {
        let policy = fixture::policy();
        let mut snapshot = fixture::snapshot();
        assert_eq!(found(&snapshot, &policy), []);
        snapshot.vault.option_book = Some(Address::repeat_byte(6));
        assert_eq!(found(&snapshot, &policy), [("option_book", Level::Warning)]);
    }

    #[test]
    fn another_book_or_none_is_an_error_that_names_both() {
        let policy = hedge(None);
        let mut snapshot = scene(&policy, 1, 864_000);
        snapshot.vault.option_book = None;
        let missing = of("option_book", &snapshot, &policy);
        assert_eq!(missing.level, Level::Error);
        let ours = policy.policy().option_book().unwrap().to_string();
        assert!(missing.what.contains(&ours) && missing.remedy.unwrap().contains(&ours));
        snapshot.vault.option_book = Some(Address::repeat_byte(6));
        let other = of("option_book", &snapshot, &policy);
        assert_eq!(other.level, Level::Error);
        assert!(other.what.contains(&ours) && other.what.contains("0x0606"), "{}", other.what);
    }

    #[test]
    fn a_book_that_does_not_answer_or_has_too_many_legs_is_an_error() {
        let policy = hedge(None);
        let mut snapshot = scene(&policy, 65, 864_000);
        let crowded = of("option_legs", &snapshot, &policy);
        assert_eq!(crowded.level, Level::Error);
        assert!(crowded.what.contains("65 legs, at most 64"), "{}", crowded.what);
        snapshot.options = None;
        let silent = of("option_legs", &snapshot, &policy);
        assert_eq!((silent.level, silent.what.contains("does not answer")), (Level::Error, true));
    }

    #[test]
    fn a_volatility_feed_that_is_stale_or_silent_is_an_error() {
        let policy = by_feed();
        let mut snapshot = scene(&policy, 2, 864_000);
        snapshot.block.timestamp += 1;
        let stale = of("option_legs", &snapshot, &policy);
        assert_eq!(stale.level, Level::Error);
        assert!(stale.what.contains("leg 1") && stale.what.contains("3601 s old"), "{}", stale.what);
        assert!(stale.remedy.unwrap().contains("volatility feed"));
        snapshot.block.timestamp -= 1;
        snapshot.options.as_mut().unwrap().legs[1].implied = None;
        let silent = of("option_legs", &snapshot, &policy);
        assert!(silent.what.contains("leg 2") && silent.what.contains("does not answer"), "{}", silent.what);
    }

    #[test]
    fn a_leg_beyond_the_smile_says_what_to_add() {
        let policy = hedge(None);
        let found = of("option_legs", &scene(&policy, 1, 121 * 86_400), &policy);
        assert_eq!(found.remedy.unwrap(), "add a later expiry to strategy.implied");
    }

    #[test]
    fn expired_legs_that_wait_for_their_settlement_are_named() {
        let policy = hedge(None);
        let snapshot = scene(&policy, 2, -7_200);
        let expected =
            [("option_book", Level::Ok), ("option_legs", Level::Ok), ("option_settlement", Level::Warning)];
        assert_eq!(found(&snapshot, &policy), expected);
        let what = of("option_settlement", &snapshot, &policy).what;
        assert!(what.starts_with("option legs 1, 2 have expired, the first 2 h"), "{what}");
    }

    #[test]
    fn a_book_that_settles_by_another_feed_is_an_error() {
        let (one, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        assert_eq!(same_feed(one, one).level, Level::Ok);
        assert_eq!(same_feed(one, other).level, Level::Error);
    }
}

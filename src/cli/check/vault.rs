//! A vault: that it answers, knows this keeper and one of its policies, and agrees with that policy.

use alloy::primitives::{Address, B256};

use crate::chain::At;
use crate::config::VaultConfig;
use crate::domain::policy::{FloorPolicy, PublishedPolicy, SequencerPolicy, VenuePolicy};
use crate::domain::snapshot::{AllowedPool, Snapshot, Vault};
use crate::protocols::abi::RebalancingVault::{OracleStatus, State};
use crate::protocols::vaults::rebalancing_vault;
use crate::reader::Reader;

use super::endpoints::Reached;
use super::finding::Finding;
use super::{feeds, market, options, rollup, tokens};

/// Looks at a vault and at everything its policy names. `signers` are the accounts that could sign, as far as known.
pub(super) async fn check(reached: &Reached, config: &VaultConfig, signers: &[Address]) -> Vec<Finding> {
    let (state, vault) = match read(reached, config.address).await {
        Ok(read) => read,
        Err(finding) => return vec![finding],
    };
    let mut findings = vec![Finding::ok("vault", format!("{} answers state()", config.address))];
    findings.extend(signers.split_first().map(|(first, others)| keeper(vault.keeper, *first, others)));
    findings.push(policy(vault.policy_hash, &config.policies));
    let held = config.policy(vault.policy_hash).or_else(|| config.policies.first());
    let hedged = held.is_some_and(|published| published.policy().option_book().is_some());
    findings.extend(standing(&vault, reached.header.timestamp, hedged));
    findings.push(oracle(state.books.oracleStatus));
    if let Some(published) = held {
        findings.extend(agreement(&vault, published));
        findings
            .push(sequencer(state.identity.sequencerUptimeFeed, published.policy().feeds.sequencer.as_ref()));
        findings.extend(pools(&vault.allowed_pools, &published.policy().venues));
        findings.extend(options::feed(reached, published.policy()).await);
        findings.extend(facts(reached, config.address, published).await);
    }
    findings.push(rollup::decision_block(reached).await);
    findings.extend(venues(reached, &vault.allowed_pools).await);
    findings.extend(tokens::check(reached, &vault).await);
    findings
}

async fn read(reached: &Reached, address: Address) -> Result<(State, Vault), Finding> {
    let (endpoint, hash) = (&reached.endpoint, reached.header.hash);
    let unread = |error| Finding::unread("vault", &error);
    let state = rebalancing_vault::state(endpoint, hash, address).await.map_err(unread)?;
    let Some(state) = state else {
        let code = endpoint.code(address, At::Hash(hash)).await.map_err(unread)?;
        return Err(no_vault(address, !code.is_empty()));
    };
    let Some(vault) = rebalancing_vault::facts(address, &state) else {
        let what = format!("{address} states parameters that are no numbers of a decision");
        return Err(Finding::error("vault", what, "correct the vault's parameters"));
    };
    Ok((state, vault))
}

fn no_vault(address: Address, has_code: bool) -> Finding {
    let why =
        if has_code { "does not answer state() as a RebalancingVault" } else { "has no code on this chain" };
    Finding::error(
        "vault",
        format!("{address} {why}"),
        "correct `address` or `chain` of the vault in the configuration",
    )
}

/// What the reader finds at the block, judged by the policy.
async fn facts(reached: &Reached, vault: Address, published: &PublishedPolicy) -> Vec<Finding> {
    let reader = Reader::new(reached.mode);
    let read = reader.snapshot(&reached.endpoint, &reached.header, vault, published.policy()).await;
    match read {
        Err(error) => vec![Finding::unread("snapshot", &error)],
        Ok(snapshot) => {
            let mut findings = feeds::check(&snapshot, published.policy());
            // A policy that is not approved is reported already; the rest is told as if it were.
            let mut vault = snapshot.vault;
            vault.policy_hash = published.hash();
            let snapshot = Snapshot { vault, ..snapshot };
            findings.extend(options::check(&snapshot, published));
            findings.extend(market::check(&snapshot, published));
            findings
        }
    }
}

/// `others` are the accounts of signers besides the `first`.
fn keeper(keeper: Address, first: Address, others: &[Address]) -> Finding {
    if others.is_empty() && keeper == first {
        return Finding::ok("keeper", "its signer is the vault's keeper");
    }
    if keeper == first || others.contains(&keeper) {
        let what =
            format!("{keeper}, one of its {} signers, is the vault's keeper", others.len().saturating_add(1));
        return Finding::ok("keeper", what);
    }
    let others: String = others.iter().map(|other| format!(" or {other}")).collect();
    let what = format!("the vault's keeper is {keeper}, its signer is {first}{others}");
    Finding::error("keeper", what, format!("let the owner call setKeeper({first}), or use the keeper's key"))
}

fn policy(stored: B256, held: &[PublishedPolicy]) -> Finding {
    if let Some(fitting) = held.iter().find(|policy| policy.hash() == stored) {
        let name = &fitting.policy().name;
        return Finding::ok("policy", format!("the owner approved policy `{name}`, {stored}"));
    }
    let ours: Vec<String> = held.iter().map(|p| format!("`{}` {}", p.policy().name, p.hash())).collect();
    let what = format!("the vault stores policy {stored}; held are {}", ours.join(", "));
    let remedy = "let the owner approve one of these, or add the file of the approved one to `policies`";
    Finding::error("policy", what, remedy)
}

/// What stops every decision, or half of them, whatever the market does. `now` is block time; `hedged` whether the policy
/// hedges an option book, so that open options are no more than what it is for.
fn standing(vault: &Vault, now: u64, hedged: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if vault.epoch_open && hedged {
        findings
            .push(Finding::ok("epoch", "its options are open: users come and go again after they settle"));
    } else if vault.epoch_open {
        let what = "its options are open: it is closed until they settle";
        findings.push(Finding::error("epoch", what, "wait for the settlement"));
    }
    if vault.cash_lock {
        let remedy = "the keeper sells what is left and waits; the owner may re-arm with a floor below NAV";
        findings.push(Finding::warning("cash_lock", "it is cash-locked: NAV was seen at its floor", remedy));
    }
    if now <= vault.paused_until {
        let what = format!("it is paused for buys until block time {}", vault.paused_until);
        findings.push(Finding::warning("paused", what, "a pause ends by itself; ask the guardian why"));
    }
    findings
}

fn oracle(status: OracleStatus) -> Finding {
    if status == OracleStatus::Fresh {
        return Finding::ok("oracle", "it believes its oracle");
    }
    let what = format!("it does not believe its oracle: {status:?}");
    Finding::error(
        "oracle",
        what,
        "wait for the feeds; meanwhile anyone may deleverage at the pools' mean price",
    )
}

fn agreement(vault: &Vault, published: &PublishedPolicy) -> Vec<Finding> {
    let policy = published.policy();
    let feeds = [
        ("risky_usd", policy.feeds.risky_usd.address, vault.risky_feed),
        ("asset_usd", policy.feeds.asset_usd.address, vault.asset_feed),
    ];
    let mut findings: Vec<Finding> = feeds.map(|(name, ours, its)| same_feed(name, ours, its)).into();
    findings.push(floor(&policy.floor, &vault.floor_policy));
    findings
}

fn same_feed(name: &str, policy: Address, vault: Address) -> Finding {
    if policy == vault {
        return Finding::ok("feed_address", format!("policy and vault name the same {name} feed"));
    }
    let what = format!("the policy's {name} feed is {policy}, the vault's {vault}");
    Finding::error("feed_address", what, format!("write the vault's feed into feeds.{name} of the policy"))
}

fn floor(policy: &FloorPolicy, vault: &FloorPolicy) -> Finding {
    if policy == vault {
        return Finding::ok("floor", "policy and vault state the same floor");
    }
    let what = format!("the policy's floor is {policy:?}, the vault's {vault:?}");
    Finding::error(
        "floor",
        what,
        "write the vault's floor into the policy, or let the owner change the vault's",
    )
}

fn sequencer(vault: Address, policy: Option<&SequencerPolicy>) -> Finding {
    let ours = policy.map_or(Address::ZERO, |rule| rule.address);
    if ours == vault {
        let named = if vault.is_zero() { "no sequencer feed" } else { "the same sequencer feed" };
        return Finding::ok("sequencer", format!("policy and vault name {named}"));
    }
    let what = format!("the policy's sequencer feed is {ours}, the vault's {vault}");
    Finding::warning(
        "sequencer",
        what,
        "name the same one in feeds.sequencer, or none where the vault has none",
    )
}

fn pools(allowed: &[AllowedPool], venues: &[VenuePolicy]) -> Vec<Finding> {
    let one = |venue: &VenuePolicy| {
        let pool = venue.pool();
        if allowed.iter().any(|allowed| allowed.pool == pool) {
            return Finding::ok("pool_allowed", format!("the vault allows pool {pool}"));
        }
        let what = format!("the vault does not allow the policy's pool {pool}");
        Finding::error("pool_allowed", what, "let the owner call allowPool, or name an allowed pool")
    };
    venues.iter().map(one).collect()
}

async fn venues(reached: &Reached, allowed: &[AllowedPool]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for venue in distinct_venues(allowed) {
        let code = reached.endpoint.code(venue, At::Hash(reached.header.hash)).await;
        findings.push(match code {
            Ok(code) => adapter(venue, !code.is_empty()),
            Err(error) => Finding::unread("venue", &error),
        });
    }
    findings
}

/// The adapters that a vault trades through, each once.
pub(super) fn distinct_venues(allowed: &[AllowedPool]) -> Vec<Address> {
    let mut venues: Vec<Address> = allowed.iter().map(|allowed| allowed.venue).collect();
    venues.sort_unstable();
    venues.dedup();
    venues
}

fn adapter(venue: Address, has_code: bool) -> Finding {
    if has_code {
        return Finding::ok("venue", format!("venue {venue} is a contract"));
    }
    Finding::error(
        "venue",
        format!("venue {venue} has no code"),
        "let the owner allow the pool through a deployed venue",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::super::fixture;
    use super::*;

    fn levels(findings: &[Finding]) -> Vec<(&'static str, Level)> {
        findings.iter().map(|finding| (finding.check, finding.level)).collect()
    }

    #[test]
    fn another_keeper_is_an_error_that_names_both() {
        let (one, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        assert_eq!(keeper(one, one, &[]).level, Level::Ok);
        let found = keeper(one, other, &[]);
        assert_eq!(found.level, Level::Error);
        assert!(found.what.contains(&one.to_string()) && found.remedy.unwrap().contains(&other.to_string()));
    }

    #[test]
    fn the_policy_must_be_the_one_that_the_owner_approved() {
        let held = [fixture::policy()];
        assert_eq!(policy(held[0].hash(), &held).level, Level::Ok);
        let found = policy(B256::repeat_byte(9), &held);
        assert_eq!(found.level, Level::Error);
        assert!(found.what.contains("0x0909") && found.what.contains("`cppi-80-3x` 0x"), "{}", found.what);
    }

    #[test]
    fn a_healthy_vault_agrees_with_its_policy() {
        let (vault, policy) = (fixture::snapshot().vault, fixture::policy());
        assert!(agreement(&vault, &policy).iter().all(|finding| finding.level == Level::Ok));
        assert_eq!(standing(&vault, 1_000, false), []);
    }

    #[test]
    fn another_feed_or_floor_is_an_error() {
        let mut vault = fixture::snapshot().vault;
        vault.asset_feed = Address::repeat_byte(7);
        vault.floor_policy = FloorPolicy::Fixed { share: "0.7".parse().unwrap() };
        assert_eq!(
            levels(&agreement(&vault, &fixture::policy())),
            [("feed_address", Level::Ok), ("feed_address", Level::Error), ("floor", Level::Error)]
        );
    }

    #[test]
    fn a_vault_that_is_closed_locked_and_paused_says_all_three() {
        let mut vault = fixture::snapshot().vault;
        (vault.epoch_open, vault.cash_lock, vault.paused_until) = (true, true, 2_000);
        let found = levels(&standing(&vault, 2_000, false));
        assert_eq!(
            found,
            [("epoch", Level::Error), ("cash_lock", Level::Warning), ("paused", Level::Warning)]
        );
        assert_eq!(standing(&vault, 2_001, false).len(), 2);
        assert_eq!(levels(&standing(&vault, 2_001, true))[0], ("epoch", Level::Ok));
    }

    #[test]
    fn a_vault_in_degraded_mode_says_why() {
        assert_eq!(oracle(OracleStatus::Fresh).level, Level::Ok);
        let stale = oracle(OracleStatus::StaleRiskyAnswer);
        assert_eq!(stale.what, "it does not believe its oracle: StaleRiskyAnswer");
    }

    #[test]
    fn a_sequencer_that_only_one_of_them_knows_is_a_warning() {
        let feed = Address::repeat_byte(5);
        let rule = SequencerPolicy { address: feed, grace_seconds: 3_600 };
        assert_eq!(sequencer(feed, Some(&rule)).level, Level::Ok);
        assert_eq!(sequencer(Address::ZERO, None).level, Level::Ok);
        assert_eq!(sequencer(feed, None).level, Level::Warning);
        assert_eq!(sequencer(Address::ZERO, Some(&rule)).level, Level::Warning);
    }

    #[test]
    fn a_pool_must_be_on_the_vaults_list_and_its_venue_a_contract() {
        let (snapshot, policy) = (fixture::snapshot(), fixture::policy());
        let venues = &policy.policy().venues;
        assert_eq!(levels(&pools(&snapshot.vault.allowed_pools, venues)), [("pool_allowed", Level::Ok)]);
        assert_eq!(levels(&pools(&[], venues)), [("pool_allowed", Level::Error)]);
        assert_eq!(adapter(Address::ZERO, true).level, Level::Ok);
        assert_eq!(adapter(Address::ZERO, false).level, Level::Error);
    }

    #[test]
    fn an_address_without_a_vault_says_whether_there_is_anything() {
        assert!(no_vault(Address::ZERO, false).what.ends_with("has no code on this chain"));
        assert!(
            no_vault(Address::ZERO, true).what.ends_with("does not answer state() as a RebalancingVault")
        );
    }
}

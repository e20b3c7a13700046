//! A decision that changes is another version of the decision: the golden hashes of each version are listed, and those of
//! released ones stay what they were.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails where it stands"
)]

#[path = "support/golden.rs"]
mod golden;

use std::collections::BTreeMap;
use std::process::Command;

use alloy::primitives::{B256, keccak256};
use golden::Golden;
use vault_keeper::domain::decision::DECISION_VERSION;

const LIST: &str = include_str!("fixtures/golden/versions.txt");
const FILE: &str = "tests/fixtures/golden/versions.txt";

/// The golden decisions of a version by their names, and whether it is sealed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Version {
    decisions: BTreeMap<String, B256>,
    sealed: bool,
}

/// The versions of a list by their numbers, or what is wrong with it.
fn versions(list: &str) -> Result<BTreeMap<u32, Version>, String> {
    let mut versions: BTreeMap<u32, Version> = BTreeMap::new();
    let mut before = 0;
    for line in list.split_inclusive('\n') {
        let words: Vec<_> = line.split_whitespace().filter(|_| !line.starts_with('#')).collect();
        match words[..] {
            [] => {}
            ["version", number] => {
                begin(&mut versions, number.parse().map_err(|_| format!("no number: {line}"))?)?
            }
            ["seal", number, seal] => {
                let (last, version) = versions.iter_mut().next_back().ok_or("a seal without a version")?;
                if number != last.to_string() || seal != keccak256(&list[..before]).to_string() {
                    return Err(format!("the seal of version {number} is not that of what stands before it"));
                }
                version.sealed = true;
            }
            [name, hash] => {
                let hash = hash.parse().map_err(|_| format!("no hash: {line}"))?;
                let version = versions.values_mut().next_back().filter(|version| !version.sealed);
                let version = version.ok_or_else(|| format!("{name} stands in no open version"))?;
                if version.decisions.insert(name.to_owned(), hash).is_some() {
                    return Err(format!("{name} is there twice"));
                }
            }
            _ => return Err(format!("no entry: {line}")),
        }
        before += line.len();
    }
    Ok(versions)
}

/// Versions follow each other, and the one before is closed.
fn begin(versions: &mut BTreeMap<u32, Version>, number: u32) -> Result<(), String> {
    if let Some((last, version)) = versions.iter().next_back()
        && (number != last + 1 || !version.sealed)
    {
        return Err(format!(
            "version {number} follows version {last}, which has to be the one before and sealed"
        ));
    }
    versions.insert(number, Version::default());
    Ok(())
}

/// What of a list may never change: all up to its last seal.
fn sealed(list: &str) -> &str {
    let seal = list.rmatch_indices("\nseal ").next().map_or(0, |(at, _)| at + 1);
    let end = list[seal..].find('\n').map_or(list.len(), |end| seal + end + 1);
    if seal == 0 { "" } else { &list[..end] }
}

#[test]
fn the_golden_hashes_are_those_that_are_listed_for_this_version_of_the_decision() {
    let versions = versions(LIST).unwrap();
    let (last, listed) = versions.iter().next_back().unwrap();
    assert_eq!(last.to_string(), DECISION_VERSION, "the newest version of {FILE} is this program's");
    let found = Golden::all().into_iter().map(|golden| {
        let hash = golden.recorded()["decision_hash"].as_str().unwrap().parse().unwrap();
        (golden.name, hash)
    });
    assert_eq!(
        found.collect::<BTreeMap<String, B256>>(),
        listed.decisions,
        "decisions have changed: raise DECISION_VERSION and list them under the new version in {FILE}; where version {last} was \
         never released and is not sealed, its entries may be changed by hand"
    );
}

/// Whether a version without a seal has to have one, by a changelog: something was released, and what is not yet does not say that
/// it brings this version.
fn is_due(changelog: &str, open: u32) -> bool {
    let unreleased = changelog.split("\n## [Unreleased]").nth(1).unwrap_or_default();
    let (unreleased, released) = unreleased.split_once("\n## [").unwrap_or((unreleased, ""));
    !released.is_empty() && !unreleased.contains(&format!("decision version {open}"))
}

#[test]
fn a_version_that_was_released_is_sealed() {
    for (changelog, due) in [
        ("\n## [Unreleased]\nall\n", false),
        ("\n## [Unreleased]\n\n## [0.1.0]\nall\n", true),
        ("\n## [Unreleased]\n- Decisions: decision version 4.\n\n## [0.1.0]\nall\n", false),
        ("\n## [Unreleased]\n\n## [0.2.0]\n- Decisions: decision version 4.\n\n## [0.1.0]\nall\n", true),
    ] {
        assert_eq!(is_due(changelog, 4), due, "{changelog}");
    }
    let versions = versions(LIST).unwrap();
    let Some((open, _)) = versions.iter().find(|(_, version)| !version.sealed) else { return };
    assert!(
        !is_due(include_str!("../CHANGELOG.md"), *open),
        "seal version {open} in {FILE}, which was released, or say under Unreleased in CHANGELOG.md that it brings \
         decision version {open}"
    );
}

#[test]
fn a_list_whose_sealed_entries_were_changed_is_refused() {
    let hash = |byte| B256::repeat_byte(byte);
    let first = format!("# words\n\nversion 3\na {}\n", hash(1));
    let seal = |list: &str, version: u32| format!("{list}seal {version} {}\n", keccak256(list));
    let closed = seal(&first, 3);
    let both = format!("{closed}version 4\na {}\n", hash(2));
    let read = versions(&both).unwrap();
    assert_eq!(read[&3], Version { decisions: [("a".to_owned(), hash(1))].into(), sealed: true });
    assert_eq!(read[&4], Version { decisions: [("a".to_owned(), hash(2))].into(), sealed: false });
    assert_eq!((sealed(&both), sealed(&first), sealed(&closed)), (closed.as_str(), "", closed.as_str()));
    for (changed, why) in [
        (both.replace(&hash(1).to_string(), &hash(3).to_string()), "the seal of version 3"),
        (both.replace("# words", "# other words"), "the seal of version 3"),
        (both.replace("seal 3", "seal 4"), "the seal of version 4"),
        (both.replace("version 4", "version 5"), "version 5 follows version 3"),
        (
            format!("{first}version 4\n"),
            "version 4 follows version 3, which has to be the one before and sealed",
        ),
        (format!("{closed}b {}\n", hash(2)), "b stands in no open version"),
        (format!("{both}a {}\n", hash(2)), "a is there twice"),
        (format!("{both}a b c\n"), "no entry"),
    ] {
        let refused = versions(&changed).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn what_was_sealed_once_is_there_still() {
    let git = |arguments: &[&str]| {
        let ended =
            Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        ended.status.success().then(|| String::from_utf8(ended.stdout).unwrap())
    };
    let Some(commits) = git(&["log", "--format=%H", "--", FILE]) else {
        eprintln!(
            "not held against its history: there is no git repository; the seals are checked all the same"
        );
        return;
    };
    for commit in commits.lines() {
        let Some(then) = git(&["show", &format!("{commit}:{FILE}")]) else { continue };
        assert!(LIST.starts_with(sealed(&then)), "what was sealed in commit {commit} has changed in {FILE}");
    }
}

//! What the documents name is there: files, commands and options.
#![expect(clippy::expect_used, reason = "a test may fail by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory;
use vault_keeper::cli::Cli;

const DOCUMENTS: &[&str] =
    &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/replay.md"];

/// Folders whose files the documents may name; a file called `x` stands for any.
const FOLDERS: &[&str] =
    &[".ci/", "abi/", "benches/", "contracts/", "examples/", "scripts/", "src/", "tests/", "tools/"];

fn read(document: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document))
        .expect("the document is readable")
}

fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()
}

/// Files and folders that `text` names in code or links to.
fn named_files(text: &str) -> BTreeSet<&str> {
    let code = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder)));
    let links =
        text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains(':'));
    code.chain(links).filter(|path| !path.ends_with("/x.rs") && !path.contains(' ')).collect()
}

/// The command lines of the shell blocks of `text` that call the keeper, as words.
fn keeper_calls(text: &str) -> Vec<Vec<String>> {
    let blocks: String = text.split("```").skip(1).step_by(2).collect();
    let lines = blocks.replace("\\\n", " ");
    let calls = lines.lines().filter(|line| line.starts_with("target/release/keeper"));
    let words = |line: &str| {
        line.replace("\"$ETH_RPC_URL\"", "http://localhost").split_whitespace().map(str::to_owned).collect()
    };
    calls.map(words).collect()
}

/// The commands in the first column of the tables of `text`.
fn tabled_commands(text: &str) -> BTreeSet<String> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `keeper ")?.split(['`', ' ']).next());
    cells.map(str::to_owned).collect()
}

#[test]
fn every_file_that_a_document_names_exists() {
    for document in DOCUMENTS {
        let text = read(document);
        let missing: Vec<_> = named_files(&text).into_iter().filter(|path| !exists(path)).collect();
        assert!(missing.is_empty(), "{document} names {missing:?}");
    }
}

#[test]
fn the_readme_lists_the_commands_that_there_are() {
    let there: BTreeSet<_> =
        Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert_eq!(tabled_commands(&read("README.md")), there);
}

#[test]
fn the_command_lines_of_the_readme_are_understood() {
    let calls = keeper_calls(&read("README.md"));
    assert!(calls.len() >= 2, "{calls:?}");
    for call in calls {
        let parsed = Cli::command().try_get_matches_from(&call);
        assert!(parsed.is_ok(), "{call:?}: {}", parsed.expect_err("it is an error"));
    }
}

#[test]
fn the_readers_of_documents_find_what_they_look_for() {
    let text = "`src/a.rs` `src/x.rs` `keeper.toml` [b](B.md) [c](https://c)\n| `keeper run` | x |\n\
                ```sh\ntarget/release/keeper run \\\n  --once\n```\n";
    assert_eq!(named_files(text).into_iter().collect::<Vec<_>>(), ["B.md", "src/a.rs"]);
    assert_eq!(tabled_commands(text).into_iter().collect::<Vec<_>>(), ["run"]);
    assert_eq!(keeper_calls(text), [["target/release/keeper", "run", "--once"]]);
}

//! The module rules of `ARCHITECTURE.md`, checked over the text of the sources.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking; its indices are positions in the text it reads"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

#[path = "support/source.rs"]
mod source;

use source::{Named, Token, blanked, item_end, named, tokens, without_tests};

/// Which modules a module may name besides itself; `None` is all of them.
const TOP: &[(&str, Option<&[&str]>)] = &[
    ("domain", Some(&[])),
    ("defence", Some(&[])),
    ("failpoint", Some(&[])),
    ("config", Some(&["domain"])),
    ("chain", Some(&["domain", "defence"])),
    ("journal", Some(&["domain", "defence"])),
    ("observe", Some(&["domain"])),
    ("protocols", Some(&["domain", "chain"])),
    ("execution", Some(&["domain", "chain", "journal", "defence", "failpoint"])),
    ("reader", Some(&["domain", "chain", "protocols"])),
    ("signers", Some(&["config", "execution"])),
    ("keeper", None),
    ("calibration", None),
    ("replay", None),
    ("backtest", None),
    ("stage", None),
    ("report", Some(&["domain", "stage"])),
    ("demo", None),
    ("cli", None),
];

/// The stages that may calculate in floating point.
const FLOATS: &[&str] = &["units", "models", "venues"];

/// What makes a decision depend on more than its arguments.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "tracing",
    "rand",
    "dotenvy",
    "reqwest",
    "sqlx",
    "SystemTime",
    "Instant",
    "HashMap",
    "HashSet",
    "RandomState",
    "unsafe",
];

/// Paths that do.
const IMPURE_PATHS: &[&[&str]] = &[
    &["log"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time"],
    &["core", "time"],
    &["alloy", "providers"],
    &["alloy", "signers"],
    &["alloy", "node_bindings"],
    &["alloy", "transports"],
];

/// Methods of the standard library's floats whose last digit depends on the platform; `libm` has them all.
const PLATFORM_FLOATS: &[&str] = &[
    "exp", "exp2", "exp_m1", "ln", "ln_1p", "log", "log2", "log10", "powf", "powi", "cbrt", "hypot", "sin",
    "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "atan2", "sin_cos", "gamma",
];

/// Words that say nothing about what a thing is.
const EMPTY_NAMES: &[&str] =
    &["manager", "helper", "helpers", "service", "utils", "util", "common", "types", "misc"];

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;
const SOLIDITY_FUNCTION_LINES: usize = 30;
const MAIN_LINES: usize = 60;

/// What is wrong in one file: the line and the reason.
type Wrong = Vec<(usize, String)>;

/// `stages` are the modules of `domain` in their order; each names only earlier ones.
fn wrong_in_rust(file: &str, text: &str, stages: &[&str]) -> Wrong {
    let module = module_of(file);
    if module.iter().any(|name| name == "tests") {
        return Vec::new();
    }
    let blank = blanked(text);
    let all = tokens(&blank);
    let (kept, test_lines) = without_tests(&all);
    let paths = named(&kept, &module);
    let mut wrong = sizes(file, text, test_lines);
    wrong.extend(long_functions(&kept, "fn", FUNCTION_LINES));
    wrong.extend(empty_names(file, &kept, &["mod", "struct", "enum", "trait", "type"]));
    wrong.extend(paths.iter().filter_map(|path| forbidden_module(&module, path)));
    if module.first().is_some_and(|top| top == "domain") {
        wrong.extend(paths.iter().filter_map(|path| forbidden_stage(&module, path, stages)));
        wrong.extend(paths.iter().filter_map(impure_path));
        wrong.extend(impure_words(&module, &kept));
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

fn wrong_in_solidity(file: &str, text: &str) -> Wrong {
    let blank = blanked(text);
    let all = tokens(&blank);
    let mut wrong = long_functions(&all, "function", SOLIDITY_FUNCTION_LINES);
    wrong.extend(empty_names(file, &all, &["contract", "library", "interface", "struct", "enum"]));
    wrong
}

/// `src/domain/venues/mod.rs` is `domain::venues`; `src/lib.rs` and `src/main.rs` are the top.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let segments = path.split('/').filter(|name| !["mod", "lib", "main"].contains(name));
    segments.map(str::to_owned).collect()
}

fn sizes(file: &str, text: &str, test_lines: usize) -> Wrong {
    let lines = text.lines().count() - test_lines;
    let most = if file == "src/main.rs" { MAIN_LINES } else { FILE_LINES };
    if lines > most {
        vec![(lines, format!("{lines} lines without tests, at most {most}"))]
    } else {
        Vec::new()
    }
}

fn long_functions(tokens: &[Token<'_>], keyword: &str, most: usize) -> Wrong {
    let starts = (1..tokens.len()).filter(|&at| tokens[at - 1].text == keyword && tokens[at].text != "(");
    let lengths = starts.map(|at| {
        let (name, first) = (tokens[at].text, tokens[at - 1].line);
        (name, first, tokens[item_end(tokens, at) - 1].line - first + 1)
    });
    lengths
        .filter(|&(_, _, lines)| lines > most)
        .map(|(name, first, lines)| (first, format!("function {name} has {lines} lines, at most {most}")))
        .collect()
}

fn empty_names(file: &str, tokens: &[Token<'_>], keywords: &[&str]) -> Wrong {
    let declared =
        (1..tokens.len()).filter(|&at| keywords.contains(&tokens[at - 1].text)).map(|at| tokens[at]);
    let segments =
        file.split('/').map(|text| Token { text: text.split('.').next().unwrap_or(text), line: 1 });
    declared
        .chain(segments)
        .filter_map(|name| {
            let word = words_of(name.text).into_iter().find(|word| EMPTY_NAMES.contains(&word.as_str()))?;
            Some((name.line, format!("{}: \"{word}\" says nothing", name.text)))
        })
        .collect()
}

/// `FeeManager` and `fee_manager` are `fee`, `manager`.
fn words_of(name: &str) -> Vec<String> {
    let mut spaced = String::new();
    for c in name.chars() {
        if c.is_uppercase() || c == '_' {
            spaced.push(' ');
        }
        spaced.extend(c.to_lowercase());
    }
    spaced.replace('_', "").split_whitespace().map(str::to_owned).collect()
}

fn forbidden_module(module: &[String], path: &Named) -> Option<(usize, String)> {
    let here = module.first()?;
    let there = path.path.first().map_or("*", String::as_str);
    if !path.ours || there == here {
        return None;
    }
    let allowed = TOP.iter().find(|(name, _)| name == here).map(|(_, allowed)| *allowed);
    let reason = match allowed {
        None => format!("module {here} is not in the module rules"),
        Some(_) if !TOP.iter().any(|(name, _)| *name == there) => {
            format!("names {there}, which is no module")
        }
        Some(Some(allowed)) if !allowed.contains(&there) => format!("{here} may not name {there}"),
        Some(_) => return None,
    };
    Some((path.line, reason))
}

fn forbidden_stage(module: &[String], path: &Named, stages: &[&str]) -> Option<(usize, String)> {
    let position = |stage: &str| stages.iter().position(|name| *name == stage);
    let here = module.get(1)?;
    let there = path.path.get(1).map_or("*", String::as_str);
    if !path.ours || path.path.first()? != "domain" || here == there {
        return None;
    }
    let reason = match (position(here), position(there)) {
        (None, _) => format!("{here} is not in the order of the stages"),
        (_, None) => format!("names domain::{there}, which is no stage"),
        (Some(own), Some(other)) if other > own => format!("{here} may not name {there}, a later stage"),
        (Some(_), Some(_)) => return None,
    };
    Some((path.line, reason))
}

fn impure_path(path: &Named) -> Option<(usize, String)> {
    let starts = |impure: &&&[&str]| {
        path.path.iter().map(String::as_str).take(impure.len()).eq(impure.iter().copied())
    };
    let impure = IMPURE_PATHS.iter().find(starts)?;
    Some((path.line, format!("domain may not name {}", impure.join("::"))))
}

fn impure_words(module: &[String], tokens: &[Token<'_>]) -> Wrong {
    let floats = module.get(1).is_none_or(|stage| FLOATS.contains(&stage.as_str()));
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let word = |(at, token): (usize, &Token<'_>)| {
        let called = at > 0 && text(at - 1) == "." && text(at + 1) == "(";
        let reason = match token.text {
            word if IMPURE.contains(&word) => format!("domain may not use {word}"),
            word @ ("f64" | "f32") if !floats => format!("{word} belongs in {} only", FLOATS.join(", ")),
            word if called && PLATFORM_FLOATS.contains(&word) => {
                format!("{word}() differs by platform; use libm")
            }
            _ => return None,
        };
        Some((token.line, reason))
    };
    tokens.iter().enumerate().filter_map(word).collect()
}

/// Every file below `folder` whose name ends in `extension`, as paths from the top of the repository.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is readable");
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn report(folder: &str, extension: &str, wrong_in: impl Fn(&str, &str) -> Wrong) -> Vec<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = files(&top.join(folder), extension);
    assert!(!found.is_empty(), "no .{extension} file below {folder}");
    let offences = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("the file is readable");
        let file = path.strip_prefix(top).expect("the file is below the top").display().to_string();
        let wrong = wrong_in(&file, &text).into_iter();
        wrong.map(|(line, reason)| format!("{file}:{line}: {reason}")).collect::<Vec<_>>()
    };
    found.into_iter().flat_map(offences).collect()
}

/// The modules of `domain` in the order in which `src/domain/mod.rs` declares them.
fn declared_stages(list: &str) -> Vec<&str> {
    list.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect()
}

#[test]
fn the_sources_keep_the_module_rules() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain/mod.rs");
    let list = fs::read_to_string(list).expect("the list of the stages is readable");
    let stages = declared_stages(&list);
    let wrong = report("src", "rs", |file, text| wrong_in_rust(file, text, &stages));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_order_of_the_stages_is_that_of_their_list() {
    assert_eq!(
        declared_stages("//! The core.\n\npub mod units;\n\npub mod policy;\npub mod plan;\n"),
        ["units", "policy", "plan"]
    );
}

#[test]
fn the_contracts_keep_their_sizes_and_names() {
    let wrong = report("contracts/src", "sol", wrong_in_solidity);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

const STAGES: &[&str] = &["canonical", "units", "limits", "venues", "models", "cost", "decision", "plan"];

/// Whether the only offence of `text` is on `line` and says `reason`.
#[track_caller]
fn assert_only(file: &str, text: &str, line: usize, reason: &str) {
    let wrong = wrong_in_rust(file, text, STAGES);
    assert_eq!(wrong, vec![(line, reason.to_owned())], "{file}");
}

#[test]
fn a_module_outside_its_rules_is_found_however_it_is_named() {
    let wanted = "protocols may not name journal";
    assert_only("src/protocols/venues/x.rs", "use crate::journal::Record;", 1, wanted);
    assert_only(
        "src/protocols/venues/x.rs",
        "use crate::{\n    chain,\n    journal::{self, Record},\n};",
        3,
        wanted,
    );
    assert_only("src/protocols/venues/x.rs", "\nfn f() { super::super::super::journal::open() }", 2, wanted);
    assert_only("src/protocols/mod.rs", "fn f() -> crate::journal::Record { todo() }", 1, wanted);
    assert_only("src/protocols/mod.rs", "mod a {\n use super::super::journal::Record;\n}", 2, wanted);
    assert_only("src/protocols/mod.rs", "fn f() { vault_keeper::journal::open() }", 1, wanted);
    assert_only("src/domain/plan.rs", "use crate::chain::Head;", 1, "domain may not name chain");
    assert_only("src/sender.rs", "use crate::chain::Head;", 1, "module sender is not in the module rules");
    assert_only("src/reader.rs", "use crate::*;", 1, "names *, which is no module");
}

#[test]
fn a_stage_that_names_a_later_one_is_found() {
    assert_only("src/domain/units.rs", "use super::plan::Plan;", 1, "units may not name plan, a later stage");
    assert_only(
        "src/domain/models/band.rs",
        "use super::super::{cost::Appraisal, units::Usd};",
        1,
        "models may not name cost, a later stage",
    );
    assert_only(
        "src/domain/cost.rs",
        "fn f(d: &crate::domain::decision::Decision) {}",
        1,
        "cost may not name decision, a later stage",
    );
    assert_only("src/domain/cost.rs", "use super::*;", 1, "names domain::*, which is no stage");
    assert_only(
        "src/domain/extra.rs",
        "use super::units::Usd;",
        1,
        "extra is not in the order of the stages",
    );
}

#[test]
fn impurity_in_the_domain_is_found() {
    let plan = "src/domain/plan.rs";
    assert_only(plan, "pub async fn f() {}", 1, "domain may not use async");
    assert_only(plan, "use std::{collections::BTreeMap, env};", 1, "domain may not name std::env");
    assert_only(plan, "fn f() { std::fs::read(\"a\"); }", 1, "domain may not name std::fs");
    assert_only(plan, "fn f() { tracing::info!(\"a\"); }", 1, "domain may not use tracing");
    assert_only(plan, "use alloy::providers::Provider;", 1, "domain may not name alloy::providers");
    assert_only(plan, "fn f(x: f64) {}", 1, "f64 belongs in units, models, venues only");
    assert_only(
        "src/domain/models/band.rs",
        "fn f(x: f64) -> f64 {\n    x.ln()\n}",
        2,
        "ln() differs by platform; use libm",
    );
}

#[test]
fn large_files_and_functions_and_empty_names_are_found() {
    let long = "// a line\n".repeat(401);
    assert_only("src/reader.rs", &long, 401, "401 lines without tests, at most 400");
    assert_only("src/main.rs", &long[..610], 61, "61 lines without tests, at most 60");
    let function = format!("\nfn f() {{\n{}}}", "    g();\n".repeat(59));
    assert_only("src/reader.rs", &function, 2, "function f has 61 lines, at most 60");
    assert_only("src/reader.rs", "struct FeeManager;", 1, "FeeManager: \"manager\" says nothing");
    assert_only("src/chain/utils.rs", "", 1, "utils: \"utils\" says nothing");
    let solidity = format!("function f() public {{\n{}}}", "    g();\n".repeat(29));
    assert_eq!(
        wrong_in_solidity("contracts/src/A.sol", &solidity),
        [(1, "function f has 31 lines, at most 30".to_owned())]
    );
}

#[test]
fn comments_strings_and_tests_are_no_offence() {
    let text = r##"
        //! See `crate::keeper`. It's std::time that is meant.
        use super::{canonical, units::Usd};
        /* crate::chain::Head /* nested */ async */
        const A: &str = "crate::journal \" async";
        const B: &str = r#"tokio "tracing""#;
        const C: (char, &'static str) = ('"', "f64");
        pub(crate) fn log10(x: Usd) {}
        #[cfg(test)]
        mod tests {
            use crate::cli::Command;
            fn f() -> f64 { std::env::var("A"); 1.0.ln() }
        }
    "##;
    assert_eq!(wrong_in_rust("src/domain/limits.rs", text, STAGES), []);
    assert_eq!(wrong_in_rust("src/domain/limits/tests.rs", "use crate::cli::Command;", STAGES), []);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}", "    const A: u8 = 0;\n".repeat(500));
    assert_eq!(wrong_in_rust("src/reader.rs", &tests, STAGES), []);
}

//! A policy in its published form, the canonical JSON that its hash is taken of, made readable as TOML.
//!
//! An object is an inline table but for its colons, and TOML knows every escape that the canonical form writes. So one
//! reader serves both forms, and says of both where a mistake stands.

use std::path::Path;

use serde::de::IgnoredAny;

use super::mistakes::Mistake;

/// Whether `text` is meant as JSON: no TOML document begins with a brace.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// `text` as a TOML value, every character at its own place.
///
/// # Errors
/// Where it is not JSON.
pub(super) fn as_toml(file: &Path, text: &str) -> Result<String, Vec<Mistake>> {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Err(vec![Mistake {
            file: file.to_owned(),
            line: error.line(),
            column: error.column(),
            key: String::new(),
            message: "not JSON; expected a policy in TOML, or as `keeper policy show` prints it".into(),
        }]);
    }
    let mut quoted = false;
    let mut escaped = false;
    Ok(text.chars().map(|letter| toml(letter, &mut quoted, &mut escaped)).collect())
}

fn toml(letter: char, quoted: &mut bool, escaped: &mut bool) -> char {
    match letter {
        _ if *escaped => *escaped = false,
        '\\' => *escaped = *quoted,
        '"' => *quoted = !*quoted,
        ':' if !*quoted => return '=',
        _ => {}
    }
    letter
}

#[cfg(test)]
mod tests {
    use super::super::policy::parse_policy;
    use super::*;
    use crate::domain::canonical;
    use crate::domain::policy::PublishedPolicy;

    const EXAMPLE: &str = include_str!("../../examples/policies/cppi.toml");

    fn read(text: &str) -> Result<PublishedPolicy, Vec<String>> {
        let shown = |all: Vec<Mistake>| all.iter().map(ToString::to_string).collect();
        parse_policy(Path::new("p.json"), text).map_err(shown)
    }

    fn published() -> String {
        canonical::json(parse_policy(Path::new("p.toml"), EXAMPLE).unwrap().policy()).unwrap()
    }

    #[test]
    fn a_published_policy_is_the_policy_however_it_is_laid_out() {
        let published = published();
        let policy = read(EXAMPLE).unwrap();
        assert_eq!(read(&published), Ok(policy.clone()));
        let laid_out: serde_json::Value = serde_json::from_str(&published).unwrap();
        let laid_out = format!("\n  {}\n", serde_json::to_string_pretty(&laid_out).unwrap());
        assert!(laid_out.lines().count() > 50);
        assert_eq!(read(&laid_out), Ok(policy));
    }

    #[test]
    fn what_stands_in_quotes_stays_as_it_is() {
        let odd = "a\": {b\\\\ : \u{1f600}é, c";
        let escaped = serde_json::to_string(odd).unwrap();
        let policy = read(&published().replace("\"cppi-80-3x\"", &escaped)).unwrap();
        assert_eq!(policy.policy().name, odd);
    }

    #[test]
    fn what_is_wrong_in_a_published_policy_is_said_with_its_place() {
        let published = published();
        let wrong = |from: &str, to: &str| {
            assert_eq!(published.matches(from).count(), 1, "{from}");
            read(&published.replacen(from, to, 1)).unwrap_err()
        };
        let stated = "\"margin_seconds\":\"300\"";
        let place = published.find(stated).unwrap() + stated.find("\"300").unwrap() + 1;
        let whole = "a whole number from 0 to 18446744073709551615";
        let margin = format!("p.json:1:{place}: feeds.risky_usd.margin_seconds:");
        for odd in ["\"0300\"", "\"+300\"", "\"3_00\"", "\"\"", "\" 300\""] {
            let stated_odd = stated.replace("\"300\"", odd);
            assert_eq!(
                wrong(stated, &stated_odd),
                [format!("{margin} is a string; expected {whole}")],
                "{odd}"
            );
        }
        let most = "\"margin_seconds\":\"18446744073709551616\"";
        assert_eq!(wrong(stated, most), [format!("{margin} is out of range; expected {whole}")]);
        let known = wrong("\"jump\":", "\"jumps\":");
        assert!(known[0].contains("gap.jumps: unknown key"), "{known:?}");
        let twice = wrong("\"jump\":", "\"jump\":\"0.2\",\"jump\":");
        assert!(
            twice[0].ends_with("jump: given twice in the same table; remove one of the two"),
            "{twice:?}"
        );
        let null = wrong("\"cppi-80-3x\"", "null");
        assert!(null[0].contains("not as `keeper policy show` prints a policy"), "{null:?}");
        let cut = read(&published[..published.len() - 1]).unwrap_err();
        let expected = "not JSON; expected a policy in TOML, or as `keeper policy show` prints it";
        assert_eq!(cut, [format!("p.json:1:{}: {expected}", published.len() - 1)]);
    }

    #[test]
    fn only_the_published_form_has_whole_numbers_in_quotes() {
        let quoted = EXAMPLE.replacen("chain_id = 1 ", "chain_id = \"1\" ", 1);
        assert_ne!(quoted, EXAMPLE);
        assert!(read(&quoted).unwrap_err()[0].contains("chain_id: is a string"));
    }
}

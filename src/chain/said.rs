//! What a node said, fit for a terminal and a record: short, in one line, and without the endpoint's secrets.

use url::{Position, Url};

/// Longest text of a node that is kept, in characters.
const MAX_CHARS: usize = 500;
/// Shortest part of a URL that is looked for: shorter ones are in half of all words.
const SHORTEST_PART: usize = 4;
/// Shortest segment of a path that may be a key; `v2` and `mainnet` are none.
const SHORTEST_SEGMENT: usize = 8;
/// What stands in place of a secret.
const HIDDEN: &str = "(hidden)";

/// `text` in one line of at most 500 characters; what would move the cursor or turn the text around is escaped.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut left = MAX_CHARS;
    for letter in text.chars() {
        let escaped: String =
            if moves(letter) { letter.escape_default().collect() } else { letter.to_string() };
        let Some(rest) = left.checked_sub(escaped.chars().count()).filter(|rest| *rest > 0) else {
            out.push('…');
            break;
        };
        left = rest;
        out.push_str(&escaped);
    }
    out
}

/// Control characters, line separators, and marks of direction.
fn moves(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The parts of an endpoint's URL that nobody may see, in small letters, the longest first.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn of(url: &Url) -> Self {
        let decoded: Vec<String> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
        let mut parts = vec![
            url.as_str(),
            url.as_str().trim_end_matches('/'),
            &url[Position::BeforeUsername..],
            &url[Position::BeforeHost..],
            url.domain().filter(|domain| domain.contains('.')).unwrap_or_default(),
            url.username(),
            url.password().unwrap_or_default(),
            url.path(),
            url.query().unwrap_or_default(),
        ];
        parts.extend(decoded.iter().map(String::as_str));
        parts.retain(|part| part.len() >= SHORTEST_PART);
        let segments = url.path().split('/').filter(|segment| segment.len() >= SHORTEST_SEGMENT);
        parts.extend(segments);
        let mut parts: Vec<String> = parts.into_iter().map(str::to_ascii_lowercase).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Self(parts)
    }

    /// `text` as [`shown`], after the secrets in it are hidden.
    pub(super) fn shown(&self, text: &str) -> String {
        shown(&self.0.iter().fold(text.to_owned(), |text, secret| hidden(&text, secret)))
    }

    /// Overwrites the secrets in data, which keeps its length.
    pub(super) fn overwrite(&self, data: &mut [u8]) {
        for secret in &self.0 {
            let places = data.windows(secret.len()).enumerate();
            let found = places.filter(|(_, window)| window.eq_ignore_ascii_case(secret.as_bytes()));
            let found: Vec<usize> = found.map(|(place, _)| place).collect();
            for place in found {
                data.iter_mut().skip(place).take(secret.len()).for_each(|byte| *byte = b'*');
            }
        }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

fn hidden(text: &str, secret: &str) -> String {
    let (mut out, mut from) = (String::new(), 0);
    // Small letters of ASCII take the same places.
    for (at, found) in text.to_ascii_lowercase().match_indices(secret) {
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str(HIDDEN);
        from = at.saturating_add(found.len());
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let url = "https://user:pass-word@x7.node.example:8443/v3/Abcdef123456?token=t0ken%21&a=b";
        Secrets::of(&Url::parse(url).unwrap())
    }

    #[test]
    fn what_moves_the_cursor_is_escaped() {
        assert_eq!(
            shown("a\u{1b}[31mred\r\nb\t\u{202e}c\u{85}"),
            "a\\u{1b}[31mred\\r\\nb\\t\\u{202e}c\\u{85}"
        );
        assert_eq!(shown("nonce too low: 7 < 8, „ä“ ✓"), "nonce too low: 7 < 8, „ä“ ✓");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let cut = shown(&"x".repeat(10_000));
        assert_eq!(cut.chars().count(), 500);
        assert!(cut.ends_with("x…"));
        assert!(shown(&"\u{7}".repeat(500)).chars().count() <= 500);
        assert_eq!(shown(&"x".repeat(499)), "x".repeat(499));
    }

    #[test]
    fn no_part_of_a_url_that_may_be_a_key_is_shown() {
        for echoed in [
            "cannot serve https://user:pass-word@x7.node.example:8443/v3/Abcdef123456?token=t0ken%21&a=b now",
            "key ABCDEF123456 is spent",
            "bad path /v3/Abcdef123456",
            "token t0ken! unknown",
            "host x7.node.example is down",
            "who is user, with pass-word?",
        ] {
            let said = secrets().shown(echoed).to_lowercase();
            for part in ["abcdef123456", "t0ken", "x7.node", "pass-word", "user"] {
                assert!(!said.contains(part), "{part} is in {said}");
            }
            assert!(said.contains(HIDDEN), "{said}");
        }
        assert_eq!(secrets().shown("v3 of a block: nonce too low"), "v3 of a block: nonce too low");
    }

    #[test]
    fn a_url_without_secrets_hides_nothing() {
        let local = Secrets::of(&Url::parse("http://127.0.0.1:8545").unwrap());
        assert_eq!(local.shown("127.0.0.1 / is fine"), "127.0.0.1 / is fine");
    }

    #[test]
    fn data_keeps_its_length() {
        let mut data = b"\x08\xc3\x79\xa0....Abcdef123456....".to_vec();
        secrets().overwrite(&mut data);
        assert_eq!(data, b"\x08\xc3\x79\xa0....************....");
    }
}

//! Source files as the architecture test reads them: tokens with their lines, comments, strings and tests left out.

/// One word or sign of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// An identifier, a number, `::`, or one other sign.
    pub(super) text: &'a str,
    /// Line, from 1.
    pub(super) line: usize,
}

/// The text with comments, strings and characters blanked; every line stays where it is. Serves Rust and Solidity.
pub(super) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, out.chars().next_back());
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// Bytes of the comment, string or character that `rest` opens with; 0 for anything else.
fn skipped(rest: &str, before: Option<char>) -> usize {
    let inside_word = before.is_some_and(is_word);
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        quoted(rest, '"')
    } else if !inside_word && (rest.starts_with("r\"") || rest.starts_with("r#")) {
        raw_string(rest)
    } else if rest.starts_with('\'') {
        character(rest)
    } else {
        0
    }
}

/// Rust's block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + c.len_utf8();
        }
        escaped = !escaped && c == '\\';
    }
    rest.len()
}

fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].chars().take_while(|&c| c == '#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0; // A raw identifier.
    }
    let end = format!("\"{}", "#".repeat(hashes));
    rest[2 + hashes..].find(&end).map_or(rest.len(), |at| 2 + hashes + at + end.len())
}

/// `'a'` and `'\n'` are characters, `'a` is a lifetime.
fn character(rest: &str) -> usize {
    let mut after = rest.chars().skip(1);
    match (after.next(), after.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 0,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens of a blanked text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    text.lines()
        .zip(1..)
        .flat_map(|(content, line)| words(content).map(move |text| Token { text, line }))
        .collect()
}

fn words(mut rest: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(length);
        rest = after;
        Some(word)
    })
}

/// The tokens without the items marked `#[cfg(test)]`, and how many lines those items take.
pub(super) fn without_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, usize) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut lines, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        let marked = tokens[at..].iter().map(|token| token.text).take(MARK.len()).eq(MARK);
        if marked {
            let end = item_end(tokens, at + MARK.len());
            lines += tokens[end - 1].line - tokens[at].line + 1;
            at = end;
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    (kept, lines)
}

/// The index after the item that starts at `at`: after its `;`, or after the brace that closes its body.
pub(super) fn item_end(tokens: &[Token<'_>], at: usize) -> usize {
    let (mut depth, mut braced) = (0_usize, 0_usize);
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "{" => braced += 1,
            "}" => {
                braced = braced.saturating_sub(1);
                if braced == 0 && depth == 0 {
                    return index + 1;
                }
            }
            ";" if braced == 0 && depth == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// A path that a program names, made absolute, with the line it ends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Its segments; those of this package without `crate`, those of others with the crate's name.
    pub(super) path: Vec<String>,
    /// Whether it is a path inside this package.
    pub(super) ours: bool,
    /// Line, from 1.
    pub(super) line: usize,
}

/// Every `a::b` path in a file of module `module`, with the groups of `use` declarations taken apart.
pub(super) fn named(tokens: &[Token<'_>], module: &[String]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut inner: Vec<(String, usize)> = Vec::new(); // Inline modules and the depth of their braces.
    let (mut depth, mut at) = (0_usize, 0);
    while at < tokens.len() {
        let previous = at.checked_sub(1).map_or("", |before| tokens[before].text);
        let next = tokens.get(at + 1).map_or("", |token| token.text);
        match tokens[at].text {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inner.retain(|(_, opened)| *opened <= depth);
            }
            "mod" if tokens.get(at + 2).is_some_and(|token| token.text == "{") => {
                inner.push((next.to_owned(), depth + 1));
            }
            word if word.starts_with(is_word) && next == "::" && previous != "::" => {
                let here = module.iter().chain(inner.iter().map(|(name, _)| name)).cloned().collect();
                at = tree(tokens, at, &Named { path: here, ours: true, line: 0 }, true, &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads the path or `use` tree at `at` below `prefix`; returns the index after it.
fn tree(tokens: &[Token<'_>], mut at: usize, prefix: &Named, first: bool, found: &mut Vec<Named>) -> usize {
    let mut name = prefix.clone();
    let mut leading = first;
    while let Some(token) = tokens.get(at) {
        name.line = token.line;
        match token.text {
            "crate" | "vault_keeper" if leading => name.path.clear(),
            "self" => {}
            "super" => {
                name.path.pop();
            }
            "{" => return group(tokens, at + 1, &name, found),
            word if leading && first => {
                name = Named { path: vec![word.to_owned()], ours: false, line: token.line };
            }
            word => name.path.push(word.to_owned()),
        }
        leading = false;
        let more = tokens.get(at + 1).is_some_and(|next| next.text == "::")
            && tokens
                .get(at + 2)
                .is_some_and(|next| next.text == "{" || next.text == "*" || next.text.starts_with(is_word));
        if !more {
            break;
        }
        at += 2;
    }
    found.push(name);
    at + 1
}

/// The members of a `use` group; returns the index after its closing brace.
fn group(tokens: &[Token<'_>], mut at: usize, prefix: &Named, found: &mut Vec<Named>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "}" => return at + 1,
            "," => at += 1,
            "as" => at += 2,
            _ => at = tree(tokens, at, prefix, false, found),
        }
    }
    at
}

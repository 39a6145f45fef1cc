//! As much of Rust's lexing as it takes to tell names from comments and strings.

/// A name or a sign, and the line it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub line: usize,
    pub text: String,
}

/// The tokens of `text`: names, numbers, `::` and single signs. Comments and literals are left out, but a literal
/// leaves a `""` behind so that what is around it does not grow together.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut tokens) = (0, 1, Vec::new());
    while at < chars.len() {
        let begin = at;
        let rest = &chars[at..];
        let token = match rest[0] {
            '/' if rest.get(1) == Some(&'/') => {
                at += rest.iter().take_while(|c| **c != '\n').count();
                None
            }
            '/' if rest.get(1) == Some(&'*') => {
                at += block_comment(rest);
                None
            }
            '"' => {
                at += quoted(rest);
                Some("\"\"".to_owned())
            }
            '\'' => {
                at += char_or_lifetime(rest);
                Some("\"\"".to_owned())
            }
            c if c.is_alphanumeric() || c == '_' => {
                let word: String = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                let after = &rest[word.chars().count()..];
                match raw_string(&word, after) {
                    Some(length) => {
                        at += word.chars().count() + length;
                        Some("\"\"".to_owned())
                    }
                    None => {
                        at += word.chars().count();
                        Some(word)
                    }
                }
            }
            ':' if rest.get(1) == Some(&':') => {
                at += 2;
                Some("::".to_owned())
            }
            c => {
                at += 1;
                (!c.is_whitespace()).then(|| c.to_string())
            }
        };
        tokens.extend(token.map(|text| Token { line, text }));
        line += chars[begin..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

/// Block comments nest.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn char_or_lifetime(rest: &[char]) -> usize {
    match (rest.get(1), rest.get(2)) {
        (Some('\\'), _) => 3 + rest[3.min(rest.len())..].iter().take_while(|c| **c != '\'').count() + 1,
        (Some(_), Some('\'')) => 3,
        _ => 1,
    }
}

/// The length of what follows `word` if the two make a string literal: `b"…"`, `r#"…"#`.
fn raw_string(word: &str, after: &[char]) -> Option<usize> {
    if !["b", "c", "r", "br", "cr"].contains(&word) {
        return None;
    }
    let hashes = after.iter().take_while(|c| **c == '#').count();
    if after.get(hashes) != Some(&'"') {
        return None;
    }
    if !word.contains('r') {
        return (hashes == 0).then(|| quoted(after));
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &after[hashes + 1..];
    let length = body.windows(end.len()).position(|window| window == end)?;
    Some(hashes + 1 + length + end.len())
}

#[test]
fn names_in_comments_and_literals_are_not_seen() {
    let text = r##"
        // use tokio;
        /* /* bollard:: */ sqlx:: */
        let a = "tokio::\"spawn"; let b = r#"axum:: " "#; let c = b"x"; let d = '"'; let e = '\''; fn f<'a>() {}
        std::fs::read
    "##;
    let seen: Vec<String> = tokens(text).into_iter().map(|token| token.text).collect();
    let names: Vec<&str> = seen.iter().map(String::as_str).filter(|text| text.len() > 2).collect();
    assert_eq!(names, ["let", "let", "let", "let", "let", "std", "read"], "{seen:?}");
    assert_eq!(tokens(text).last().map(|token| token.line), Some(5));
}

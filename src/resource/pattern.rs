//! Regular expressions of manifests: bounded, so that none costs more than a little memory.

use regex::{Regex, RegexBuilder};

/// The longest expression, in bytes.
const LONGEST: usize = 1024;
/// How much memory a compiled expression, and the cache that searching with it fills, may take.
const LARGEST: usize = 256 * 1024;

/// Why a text is not a regular expression that is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nobody can read it either.
    #[error("is longer than {LONGEST} bytes")]
    Long,
    /// It is small and becomes large, such as `(a{100}){100}`.
    #[error("takes too much memory: use smaller repetitions")]
    Large,
    /// It does not parse.
    #[error("is not a regular expression: {0}")]
    Syntax(String),
}

/// The expression, compiled. Searching takes time linear in the text searched.
///
/// # Errors
/// [`PatternError`] says why it is not taken.
pub fn compile(pattern: &str) -> Result<Regex, PatternError> {
    if pattern.len() > LONGEST {
        return Err(PatternError::Long);
    }
    let built = RegexBuilder::new(pattern).size_limit(LARGEST).dfa_size_limit(LARGEST).nest_limit(50).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError::Large,
        // The first lines of a syntax error draw the pattern; its last says what is wrong.
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            PatternError::Syntax(last.strip_prefix("error: ").unwrap_or(last).to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_compiled_or_refused_in_one_line() {
        assert!(compile("^(ok|up)$").expect("a pattern").is_match("up"));
        assert_eq!(
            compile("(up").expect_err("unclosed").to_string(),
            "is not a regular expression: unclosed group"
        );
        assert_eq!(compile("(a{1000}){1000}").expect_err("large"), PatternError::Large);
        assert_eq!(compile(&"a".repeat(1025)).expect_err("long"), PatternError::Long);
        assert!(compile(&"(".repeat(600)).is_err());
    }
}

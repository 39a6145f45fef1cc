//! The name a person meant.

/// The one of `names` that `text` is most likely a slip of, if any is near enough.
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Distances grow with the square of the length; nobody mistypes a kilobyte.
    if text.len() > 256 {
        return None;
    }
    let wanted = text.to_lowercase();
    names
        .into_iter()
        .map(|name| {
            let lower = name.to_lowercase();
            // A missing or extra word (`timeoutSeconds`) is a slip too.
            let part = wanted.len() >= 3 && (lower.starts_with(&wanted) || wanted.starts_with(&lower));
            (if part { 1 } else { strsim::damerau_levenshtein(&wanted, &lower) }, name)
        })
        .filter(|(distance, name)| *distance <= 1.max(name.chars().count().min(wanted.chars().count()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_word_and_other_words_find_none() {
        let names = ["selector", "timeout", "url", "retry", "resyncPeriod"];
        for (text, expected) in [
            ("selectro", Some("selector")),
            ("Selector", Some("selector")),
            ("timeoutSeconds", Some("timeout")),
            ("resync", Some("resyncPeriod")),
            ("uri", Some("url")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, names), expected, "{text}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }
}

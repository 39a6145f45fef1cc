//! The name a person meant.

/// The one of `names` that `text` is most likely a slip of, if any is near enough.
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Distances grow with the square of the length; nobody mistypes a kilobyte.
    if text.len() > 256 {
        return None;
    }
    let wanted = text.to_lowercase();
    let length = wanted.chars().count();
    names
        .into_iter()
        .map(|name| (distance(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1.max(name.chars().count().min(length) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn distance(wanted: &str, name: &str) -> usize {
    let whole = strsim::damerau_levenshtein(wanted, name);
    // A missing or extra word (`timeoutSeconds`) is a slip too, even with a slip in the word that is there.
    if wanted.len() >= 3 && (name.starts_with(wanted) || wanted.starts_with(name)) {
        return whole.min(1);
    }
    let length = wanted.chars().count();
    let start =
        |length: usize| strsim::damerau_levenshtein(wanted, &name.chars().take(length).collect::<String>());
    if length >= 5 { whole.min(1 + start(length).min(start(length + 1))) } else { whole }
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
            ("retri", Some("retry")),
            ("resinc", Some("resyncPeriod")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, names), expected, "{text}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }
}

//! The name a person meant.

/// The one of `names` that `text` is most likely a slip of, if any is near enough.
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Distances grow with the square of the length; nobody mistypes a kilobyte.
    if text.len() > 256 {
        return None;
    }
    let wanted = text.to_lowercase();
    let (length, needed) = (wanted.chars().count(), letters(&wanted));
    // Each letter that a name lacks is a slip, but behind a name that `text` begins with: what a name is nearer than that need
    // not be found out. Among thousands of names that spares nearly all.
    let mut candidates: Vec<(u32, usize, &str, usize)> = Vec::new();
    for (place, name) in names.into_iter().enumerate() {
        let lacking = (needed & !letters(name)).count_ones();
        let at_most = |most: usize| usize::try_from(lacking).is_ok_and(|lacking| lacking <= most);
        if !at_most(1.max(length / 3)) && !begins(&wanted, name) {
            continue;
        }
        let most = 1.max(name.chars().count().min(length) / 3);
        match (at_most(most), begins(&wanted, name)) {
            (_, true) => candidates.push((0, place, name, most)),
            (true, false) => candidates.push((lacking, place, name, most)),
            (false, false) => {}
        }
    }
    candidates.sort_unstable_by_key(|(lacking, place, ..)| (*lacking, *place));
    let mut best: Option<(usize, usize, &str)> = None;
    for (lacking, place, name, most) in candidates {
        let found = best.map_or(usize::MAX, |(distance, ..)| distance);
        if usize::try_from(lacking).is_ok_and(|lacking| lacking > found) {
            break;
        }
        let distance = distance(&wanted, &name.to_lowercase());
        // Of those that are equally near the first.
        if distance <= most && best.is_none_or(|(nearest, first, _)| (distance, place) < (nearest, first)) {
            best = Some((distance, place, name));
        }
    }
    best.map(|(.., name)| name)
}

/// Whether `wanted`, in lower case, begins with `name` in any case.
fn begins(wanted: &str, name: &str) -> bool {
    let mut wanted = wanted.chars();
    name.chars().flat_map(char::to_lowercase).all(|c| wanted.next() == Some(c))
}

/// Which letters are in a text, in any case; some stand for the same bit.
fn letters(text: &str) -> u64 {
    let bit = |c: u32| 1_u64 << (c.wrapping_mul(0x9e37_79b1) >> 26);
    if text.is_ascii() {
        return text
            .bytes()
            .map(|c| bit(c.to_ascii_lowercase().into()))
            .fold(0, |letters, bit| letters | bit);
    }
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.map(|c| bit(c.into())).fold(0, |letters, bit| letters | bit)
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
    use proptest::prelude::*;

    use super::*;

    /// The same, with a look at every name.
    fn among_all<'a>(text: &str, names: &[&'a str]) -> Option<&'a str> {
        let wanted = text.to_lowercase();
        let near = |name: &&&str| {
            let most = 1.max(name.chars().count().min(wanted.chars().count()) / 3);
            distance(&wanted, &name.to_lowercase()) <= most
        };
        names.iter().filter(near).min_by_key(|name| distance(&wanted, &name.to_lowercase())).copied()
    }

    proptest! {
        #[test]
        fn names_that_are_not_looked_at_are_none_that_would_be_found(
            text in "[a-eA-E\u{c9}\u{e9}]{0,8}(-[0-9]{1,2})?",
            names in proptest::collection::vec("[a-eA-E\u{c9}\u{e9}]{0,8}(-[0-9]{1,2})?", 0..8),
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            prop_assert_eq!(nearest(&text, names.iter().copied()), among_all(&text, &names));
        }
    }

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

//! Label selectors as Kubernetes writes them: `a=b,c!=d,e,!f,g in (h,i),j notin (k)`.

use std::collections::BTreeMap;

use super::query::{Misfit, Query};

/// What may stand between the parts.
const BLANK: [char; 5] = [' ', '\t', '\n', '\x0c', '\r'];

/// A pattern that selectors follow, for those who write them; values may hold more than it says.
pub(super) fn pattern() -> String {
    let (blank, key, values) = (r"[ \t\n\f\r]", r"[^ \t\n\f\r=!(),]+", r"[^=!()]*");
    let value = r"[^ \t\n\f\r=!(),]*";
    let one = format!(
        r"{blank}*(!?{key}|{key}{blank}*(=|==|!=){blank}*{value}|{key}{blank}+(in|notin){blank}*\({values}\)){blank}*"
    );
    format!(r"^({one}(,{one})*|{blank}*)$")
}

/// What labels must be like; all requirements must be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    is: Is,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Is {
    There,
    Missing,
    OneOf(Vec<String>),
    /// Or missing.
    NoneOf(Vec<String>),
}

impl LabelSelector {
    /// Whether `labels` meet every requirement.
    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|Requirement { key, is }| {
            let value = labels.get(key);
            match is {
                Is::There => value.is_some(),
                Is::Missing => value.is_none(),
                Is::OneOf(values) => value.is_some_and(|value| values.contains(value)),
                Is::NoneOf(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }

    /// The selector that `text` is; an empty one lets everything through.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts = split(text)?;
        parts.into_iter().map(requirement).collect::<Result<_, _>>().map(Self)
    }
}

/// The parts between commas that stand in no brackets.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, false);
    for (place, c) in text.char_indices() {
        match c {
            '(' if !open => open = true,
            ')' if open => open = false,
            '(' | ')' => return Err("its brackets do not match".to_owned()),
            ',' if !open => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    if open {
        return Err("its brackets do not match".to_owned());
    }
    if !text.trim_matches(BLANK).is_empty() {
        parts.push(&text[start..]);
    }
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    let part = part.trim_matches(BLANK);
    let of = |key: &str, is: Is| {
        let key = key.trim_matches(BLANK);
        let fault = key.is_empty() || key.contains(BLANK) || key.contains(['=', '!', '(', ')']);
        if fault {
            return Err(format!(
                "{:?} is not a requirement; write a=b, a!=b, a, !a, a in (b,c) or a notin (b,c)",
                part.chars().take(64).collect::<String>()
            ));
        }
        Ok(Requirement { key: key.to_owned(), is })
    };
    let one = |value: &str| vec![value.trim_matches(BLANK).to_owned()];
    if let Some(rest) = part.strip_suffix(')') {
        let (left, values) = rest.split_once('(').unwrap_or((rest, ""));
        let values = values.split(',').map(|value| value.trim_matches(BLANK).to_owned()).collect();
        let left = left.trim_end_matches(BLANK);
        return match left.rsplit_once(BLANK) {
            Some((key, "in")) => of(key, Is::OneOf(values)),
            Some((key, "notin")) => of(key, Is::NoneOf(values)),
            _ => of("", Is::There),
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return of(key, Is::NoneOf(one(value)));
    }
    if let Some((key, value)) = part.split_once('=') {
        return of(key, Is::OneOf(one(value.strip_prefix('=').unwrap_or(value))));
    }
    match part.strip_prefix('!') {
        Some(key) => of(key, Is::Missing),
        None => of(part, Is::There),
    }
}

/// The parameter `labelSelector`.
pub(super) fn selector(query: &Query) -> Result<LabelSelector, Misfit> {
    LabelSelector::parse(query.get("labelSelector").unwrap_or_default())
        .map_err(|why| Misfit::new(format!("labelSelector: {why}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;

    #[test]
    fn requirements_mean_what_they_mean_in_kubernetes() {
        let labels: BTreeMap<_, _> = [("tier", "web"), ("empty", ""), ("a.b/c", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        for (text, expected) in [
            ("", true),
            (" ", true),
            ("tier=web", true),
            ("tier==web", true),
            ("tier = web , a.b/c=1", true),
            ("tier=db", false),
            ("tier!=db", true),
            ("other!=db", true),
            ("tier!=web", false),
            ("tier", true),
            ("other", false),
            ("!other", true),
            ("!tier", false),
            ("tier in (db, web)", true),
            ("tier in (db),a.b/c", false),
            ("tier notin (db,web)", false),
            ("other notin (db)", true),
            ("empty=", true),
            ("empty", true),
        ] {
            let selector = LabelSelector::parse(text).expect(text);
            assert_eq!(selector.matches(&labels), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in ["=a", "a in b)", "a in (b", "a)(", ",", "a,,b", "a b", "!", "a within (b)", "((a))"] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_follows_the_pattern_is_a_selector(text in string_regex(pattern().trim_matches(['^', '$'])).expect("a pattern")) {
            prop_assert!(LabelSelector::parse(&text).is_ok(), "{text:?}");
        }
    }
}

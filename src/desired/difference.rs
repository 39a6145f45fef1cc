//! What is another between two things declared, in one line for a log.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Desired;
use crate::resource::{Object, ObjectKey};

/// As many objects are named; of more only how many they are is said.
const NAMED: usize = 5;

/// `created Probe/a; changed BillingService/b, Probe/c; gone Probe/d`; empty if nothing that matters differs.
pub fn difference(before: &Desired, after: &Desired) -> String {
    let by_key = |desired: &Desired| -> BTreeMap<ObjectKey, usize> {
        desired.objects.iter().enumerate().map(|(place, object)| (object.key(), place)).collect()
    };
    let (old, new) = (by_key(before), by_key(after));
    let same = |a: &Object, b: &Object| {
        a.spec == b.spec
            && a.origin() == b.origin()
            && a.metadata.labels == b.metadata.labels
            && a.metadata.annotations == b.metadata.annotations
    };
    let created = new.keys().filter(|key| !old.contains_key(key));
    let gone = old.keys().filter(|key| !new.contains_key(key));
    let changed = new.iter().filter_map(|(key, place)| {
        let was = &before.objects[*old.get(key)?];
        (!same(was, &after.objects[*place])).then_some(key)
    });
    let mut text = String::new();
    let lists: [(&str, Vec<&ObjectKey>); 3] =
        [("created", created.collect()), ("changed", changed.collect()), ("gone", gone.collect())];
    for (word, keys) in lists.iter().filter(|(_, keys)| !keys.is_empty()) {
        let named: Vec<String> = keys.iter().take(NAMED).map(ToString::to_string).collect();
        let more = keys.len().saturating_sub(NAMED);
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{word} {}", named.join(", "));
        if more > 0 {
            let _ = write!(text, " and {more} more");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Sources;
    use crate::resource::billing_service::BillingServiceSpec;
    use crate::resource::{Origin, Spec};

    fn desired(names: &[(&str, &str)]) -> Desired {
        let object = |(name, url): &(&str, &str)| {
            let spec: BillingServiceSpec =
                serde_json::from_value(serde_json::json!({ "url": url })).expect("a spec");
            Object::new(name, Origin::Api, Spec::from(spec))
        };
        let api: Vec<Object> = names.iter().map(object).collect();
        Desired::of(Sources { api: &api, ..Sources::default() })
    }

    #[test]
    fn what_came_changed_and_went_is_named() {
        let before = desired(&[("a", "http://a"), ("b", "http://b"), ("c", "http://c")]);
        let after = desired(&[("b", "http://b"), ("c", "http://other"), ("d", "http://d")]);
        assert_eq!(
            difference(&before, &after),
            "created BillingService/d; changed BillingService/c; gone BillingService/a"
        );
        assert_eq!(difference(&after, &after), "");
    }

    #[test]
    fn of_many_a_few_are_named() {
        let names: Vec<String> = (0..8).map(|n| format!("n{n}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "http://x")).collect();
        let text = difference(&desired(&[]), &desired(&many));
        assert!(text.starts_with("created BillingService/n0, ") && text.ends_with(" and 3 more"), "{text}");
    }
}

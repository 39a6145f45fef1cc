//! Many selectors at once, compiled: which of them mean a container, without a look at all of them.

use std::collections::{BTreeMap, HashMap};

use wildmatch::WildMatch;

use super::{PROJECT, SERVICE, Selector, Subject};

/// A selector whose patterns are compiled.
#[derive(Clone, Debug)]
struct Compiled {
    names: Vec<WildMatch>,
    images: Vec<WildMatch>,
    labels: Vec<(String, Option<String>)>,
    hosts: Vec<String>,
}

/// Where a selector is found: by one thing that every container has that it means.
enum Handle {
    Label(String, String),
    Names(Vec<String>),
    None,
}

impl Compiled {
    fn new(selector: &Selector) -> Self {
        let patterns = |patterns: &[String]| patterns.iter().map(|pattern| WildMatch::new(pattern)).collect();
        let wanted = |key: &str, value: &str| (key.to_owned(), (value != "*").then(|| value.to_owned()));
        let mut labels: Vec<_> = selector.labels.iter().map(|(key, value)| wanted(key, value)).collect();
        if let Some(compose) = &selector.compose {
            labels.push(wanted(PROJECT, compose.project.as_deref().unwrap_or("*")));
            labels.extend(compose.service.as_deref().map(|service| wanted(SERVICE, service)));
        }
        Self {
            names: patterns(&selector.names),
            images: patterns(&selector.images),
            labels,
            hosts: selector.hosts.clone(),
        }
    }

    fn handle(&self, selector: &Selector) -> Handle {
        // Of several labels the last: a service says more than its project.
        let exact = self.labels.iter().rev().find_map(|(key, value)| Some((key.clone(), value.clone()?)));
        if let Some((key, value)) = exact {
            return Handle::Label(key, value);
        }
        let literal = |name: &String| !name.contains(['*', '?']);
        if !selector.names.is_empty() && selector.names.iter().all(literal) {
            return Handle::Names(selector.names.clone());
        }
        Handle::None
    }

    fn matches(&self, subject: &Subject<'_>) -> bool {
        let any = |patterns: &[WildMatch], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        self.labels.iter().all(|(key, wanted)| {
            let found = subject.labels.get(key);
            found.is_some_and(|found| wanted.as_ref().is_none_or(|wanted| wanted == found))
        }) && (self.hosts.is_empty() || self.hosts.iter().any(|host| host == subject.engine))
            && any(&self.names, subject.name)
            && any(&self.images, subject.image)
    }
}

/// Selectors by what they are for, found by labels and names.
#[derive(Clone, Debug)]
pub struct SelectorSet<T> {
    all: Vec<(T, Compiled)>,
    by_label: HashMap<String, HashMap<String, Vec<usize>>>,
    by_name: HashMap<String, Vec<usize>>,
    /// What has neither an exact label nor exact names is tried on every container.
    others: Vec<usize>,
}

impl<T> Default for SelectorSet<T> {
    fn default() -> Self {
        Self { all: Vec::new(), by_label: HashMap::new(), by_name: HashMap::new(), others: Vec::new() }
    }
}

impl<T: Clone + Ord> SelectorSet<T> {
    /// Compiles selectors, each with what it is for. Those that are empty mean nothing.
    pub fn new<'s>(selectors: impl IntoIterator<Item = (T, &'s Selector)>) -> Self {
        let mut set = Self::default();
        for (of, selector) in selectors.into_iter().filter(|(_, selector)| !selector.is_empty()) {
            let (place, compiled) = (set.all.len(), Compiled::new(selector));
            match compiled.handle(selector) {
                Handle::Label(key, value) => {
                    set.by_label.entry(key).or_default().entry(value).or_default().push(place);
                }
                Handle::Names(names) => {
                    for name in names {
                        set.by_name.entry(name).or_default().push(place);
                    }
                }
                Handle::None => set.others.push(place),
            }
            set.all.push((of, compiled));
        }
        set
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether one of them means `subject`.
    pub fn any(&self, subject: &Subject<'_>) -> bool {
        !self.matching(subject).is_empty()
    }

    /// What the selectors are for that mean `subject`, sorted, each once.
    pub fn matching(&self, subject: &Subject<'_>) -> Vec<T> {
        let mut found = Vec::new();
        let mut look_at = |places: &[usize]| {
            let of_them = places.iter().filter_map(|place| self.all.get(*place));
            let matching = of_them.filter(|(_, compiled)| compiled.matches(subject));
            found.extend(matching.map(|(of, _)| of.clone()));
        };
        for (key, value) in labels_in_use(subject.labels, &self.by_label) {
            if let Some(places) = self.by_label.get(key).and_then(|values| values.get(value)) {
                look_at(places);
            }
        }
        if let Some(places) = self.by_name.get(subject.name) {
            look_at(places);
        }
        look_at(&self.others);
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The shorter way: a container has a few labels, and selectors ask for a few keys.
fn labels_in_use<'a>(
    labels: &'a BTreeMap<String, String>,
    keys: &'a HashMap<String, HashMap<String, Vec<usize>>>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    keys.keys().filter_map(|key| labels.get_key_value(key)).map(|(key, value)| (key.as_str(), value.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resource::ComposeSelector;

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![Just("a"), Just("b"), Just("ab"), Just("*"), Just("a*"), Just("?")]
            .prop_map(str::to_owned)
    }

    fn plain() -> impl Strategy<Value = String> {
        prop_oneof![Just("a"), Just("b"), Just("ab")].prop_map(str::to_owned)
    }

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![Just("k"), Just("l"), Just(PROJECT), Just(SERVICE)].prop_map(str::to_owned)
    }

    prop_compose! {
        fn selector()(
            all in any::<bool>(),
            names in prop::collection::vec(word(), 0..3),
            labels in prop::collection::btree_map(key(), word(), 0..3),
            images in prop::collection::vec(word(), 0..2),
            compose in prop::option::of((prop::option::of(word()), prop::option::of(word()))),
            hosts in prop::collection::vec(plain(), 0..2),
        ) -> Selector {
            let compose = compose.map(|(project, service)| ComposeSelector { project, service });
            Selector { all, names, labels, images, compose, hosts }
        }
    }

    proptest! {
        /// What is compiled means exactly what the selectors mean one by one.
        #[test]
        fn a_set_finds_what_each_selector_means(
            selectors in prop::collection::vec(selector(), 0..12),
            engine in plain(), name in plain(), image in plain(),
            labels in prop::collection::btree_map(key(), plain(), 0..4),
        ) {
            let subject = Subject { engine: &engine, name: &name, image: &image, labels: &labels };
            let set = SelectorSet::new(selectors.iter().enumerate());
            let expected: Vec<usize> = selectors.iter().enumerate()
                .filter(|(_, selector)| selector.matches(&subject)).map(|(place, _)| place).collect();
            prop_assert_eq!(set.matching(&subject), expected);
        }
    }
}

//! What can be named on the command line: the kinds, and what can only be read.

use std::fmt;
use std::str::FromStr;

use super::UsageError;
use super::text::plain;
use crate::manifest::nearest;
use crate::resource::KindId;

/// A collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noun {
    /// Objects of a kind.
    Kind(KindId),
    /// Containers as last seen.
    Containers,
    /// What happened and was decided.
    Events,
    /// Bills and discovery states.
    Deliveries,
}

/// Those that can only be read, each with its kind, plural and short name.
const READ_ONLY: [(Noun, [&str; 3]); 3] = [
    (Noun::Containers, ["Container", "containers", "c"]),
    (Noun::Events, ["Event", "events", "ev"]),
    (Noun::Deliveries, ["Delivery", "deliveries", "dlv"]),
];

impl Noun {
    /// The collection's place in a URL.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.plural(),
            Self::Containers => "containers",
            Self::Events => "events",
            Self::Deliveries => "deliveries",
        }
    }

    /// What one of them is called.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.as_str(),
            Self::Containers => "Container",
            Self::Events => "Event",
            Self::Deliveries => "Delivery",
        }
    }

    /// Every name of every collection.
    fn names() -> Vec<&'static str> {
        let kinds = KindId::ALL.iter().flat_map(|kind| [kind.as_str(), kind.plural()]);
        kinds.chain(READ_ONLY.iter().flat_map(|(_, [kind, plural, _])| [*kind, *plural])).collect()
    }

    fn find(text: &str) -> Option<Self> {
        if let Some(kind) = KindId::parse(text) {
            return Some(Self::Kind(kind));
        }
        let found =
            READ_ONLY.iter().find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(text)));
        found.map(|(noun, _)| *noun)
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// Kind, plural or short name, in any case.
impl FromStr for Noun {
    type Err = UsageError;

    fn from_str(text: &str) -> Result<Self, UsageError> {
        Self::find(text).ok_or_else(|| {
            let near = nearest(text, Self::names());
            let hint = near.map_or_else(
                || {
                    let all = KindId::ALL.iter().map(|kind| kind.plural());
                    let all: Vec<_> =
                        all.chain(READ_ONLY.iter().map(|(_, [_, plural, _])| *plural)).collect();
                    format!("there is {}", all.join(", "))
                },
                |near| format!("did you mean `{near}`?"),
            );
            UsageError(format!("unknown kind `{}`; {hint}", plain(text)))
        })
    }
}

/// Something to look at: a collection, or one in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) noun: Noun,
    pub(super) name: Option<String>,
}

/// What `KIND`, `KIND NAME…`, `KIND/NAME…` and `KIND,KIND` mean.
pub(super) fn targets(words: &[String]) -> Result<Vec<Target>, UsageError> {
    let Some((first, rest)) = words.split_first() else {
        return Err(UsageError("name a kind, such as `containers` or `autohealpolicies`".to_owned()));
    };
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| target(word)).collect();
    }
    let nouns = first.split(',').filter(|word| !word.is_empty());
    let nouns = nouns.map(str::parse).collect::<Result<Vec<Noun>, _>>()?;
    match (nouns.as_slice(), rest) {
        (_, []) => Ok(nouns.into_iter().map(|noun| Target { noun, name: None }).collect()),
        ([noun], names) => {
            Ok(names.iter().map(|name| Target { noun: *noun, name: Some(name.clone()) }).collect())
        }
        _ => Err(UsageError("several kinds and a name do not go together; write KIND/NAME".to_owned())),
    }
}

/// The one that `KIND/NAME` names.
pub(super) fn target(word: &str) -> Result<Target, UsageError> {
    match word.split_once('/') {
        Some((kind, name)) if !name.is_empty() => {
            Ok(Target { noun: kind.parse()?, name: Some(name.to_owned()) })
        }
        _ => Err(UsageError(format!("`{}` is not KIND/NAME", plain(word)))),
    }
}

/// Exactly one object, as `KIND NAME` or `KIND/NAME`.
pub(super) fn one(words: &[String]) -> Result<(Noun, String), UsageError> {
    match targets(words)?.as_slice() {
        [Target { noun, name: Some(name) }] => Ok((*noun, name.clone())),
        _ => Err(UsageError("name one object, as KIND NAME or KIND/NAME".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn plural_short_and_full_names_mean_the_same_in_any_case() {
        for text in ["AutohealPolicy", "autohealpolicies", "heal", "HEAL"] {
            assert_eq!(text.parse::<Noun>().expect(text), Noun::Kind(KindId::AutohealPolicy));
        }
        for text in ["c", "container", "Containers"] {
            assert_eq!(text.parse::<Noun>().expect(text), Noun::Containers);
        }
    }

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        let said = |text: &str| text.parse::<Noun>().expect_err(text).to_string();
        assert_eq!(said("contianers"), "unknown kind `contianers`; did you mean `containers`?");
        assert_eq!(said("autohealpolcy"), "unknown kind `autohealpolcy`; did you mean `AutohealPolicy`?");
        assert!(said("namespace").contains("there is alertrules, autohealpolicies, billingservices"));
        assert!(said("namespace").ends_with("containers, events, deliveries"));
    }

    #[test]
    fn objects_are_named_as_kubectl_names_them() {
        let shown = |text: &str| {
            let found = targets(&words(text)).expect(text).into_iter();
            found.map(|t| format!("{}:{}", t.noun, t.name.unwrap_or_default())).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("heal,c"), "AutohealPolicy: Container:");
        assert_eq!(shown("heal a b"), "AutohealPolicy:a AutohealPolicy:b");
        assert_eq!(shown("heal/a c/b"), "AutohealPolicy:a Container:b");
        for bad in ["", "heal,c a", "heal/ b", "heal/a b"] {
            assert!(targets(&words(bad)).is_err(), "{bad}");
        }
        assert!(one(&words("heal")).is_err() && one(&words("heal a b")).is_err());
    }
}

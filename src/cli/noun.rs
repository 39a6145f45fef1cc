//! What can be named on the command line: the kinds, and what can only be read.

use std::fmt;

use super::UsageError;
use super::text::plain;
pub(super) use crate::api::Noun;
use crate::manifest::nearest;

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// The collection that `text` means: kind, plural or short name, in any case.
pub(super) fn noun(text: &str) -> Result<Noun, UsageError> {
    Noun::find(text).ok_or_else(|| {
        // Of names with a letter or two everything is near.
        let short = Noun::all().flat_map(Noun::short).filter(|short| short.len() > 2);
        let names = Noun::all().flat_map(|noun| [noun.kind(), noun.plural()]).chain(short);
        let near = nearest(text, names);
        let hint = near.map_or_else(
            || {
                let all: Vec<_> = Noun::all().map(Noun::plural).collect();
                format!("the kinds are {}", all.join(", "))
            },
            |near| format!("did you mean `{near}`?"),
        );
        UsageError(format!("unknown kind `{}`; {hint}", plain(text)))
    })
}

/// Something to look at: a collection, or one in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandTarget {
    pub(super) noun: Noun,
    pub(super) name: Option<String>,
}

/// What `KIND`, `KIND NAME…`, `KIND/NAME…` and `KIND,KIND` mean.
pub(super) fn targets(words: &[String]) -> Result<Vec<CommandTarget>, UsageError> {
    let Some((first, rest)) = words.split_first() else {
        return Err(UsageError("name a kind, such as `containers` or `autohealpolicies`".to_owned()));
    };
    if words.iter().any(|word| word.contains('/')) {
        return words.iter().map(|word| target(word)).collect();
    }
    let nouns = first.split(',').filter(|word| !word.is_empty());
    let nouns = nouns.map(noun).collect::<Result<Vec<Noun>, _>>()?;
    match (nouns.as_slice(), rest) {
        (_, []) => Ok(nouns.into_iter().map(|noun| CommandTarget { noun, name: None }).collect()),
        ([noun], names) => {
            Ok(names.iter().map(|name| CommandTarget { noun: *noun, name: Some(name.clone()) }).collect())
        }
        _ => Err(UsageError("a name belongs to one kind; write KIND/NAME".to_owned())),
    }
}

/// The one that `KIND/NAME` names.
pub(super) fn target(word: &str) -> Result<CommandTarget, UsageError> {
    match word.split_once('/') {
        Some((kind, name)) if !name.is_empty() => {
            Ok(CommandTarget { noun: noun(kind)?, name: Some(name.to_owned()) })
        }
        _ => Err(UsageError(format!("`{}` is not KIND/NAME", plain(word)))),
    }
}

/// Exactly one object, as `KIND NAME` or `KIND/NAME`.
pub(super) fn one(words: &[String]) -> Result<(Noun, String), UsageError> {
    match targets(words)?.as_slice() {
        [CommandTarget { noun, name: Some(name) }] => Ok((*noun, name.clone())),
        _ => Err(UsageError("name one object, as KIND NAME or KIND/NAME".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::KindId;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn plural_short_and_full_names_mean_the_same_in_any_case() {
        for text in ["AutohealPolicy", "autohealpolicies", "heal", "HEAL"] {
            assert_eq!(noun(text).expect(text), Noun::Kind(KindId::AutohealPolicy));
        }
        for text in ["c", "container", "Containers"] {
            assert_eq!(noun(text).expect(text), Noun::Containers);
        }
    }

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        let said = |text: &str| noun(text).expect_err(text).to_string();
        assert_eq!(said("contianers"), "unknown kind `contianers`; did you mean `containers`?");
        assert_eq!(said("autohealpolcy"), "unknown kind `autohealpolcy`; did you mean `AutohealPolicy`?");
        assert_eq!(said("hosts"), "unknown kind `hosts`; did you mean `host`?");
        assert!(said("namespace").contains("the kinds are alertrules, autohealpolicies, billingservices"));
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

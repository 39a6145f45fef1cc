//! What is declared, checked and shown, and changes nothing yet: said wherever it is declared, so that nobody counts on it.

use crate::resource::silence::Suppress;
use crate::resource::{KindId, Object, Spec};

/// Kinds on which nothing acts yet, each with what is not done. A kind that begins to be acted on leaves this table, and with it
/// every warning.
pub const INERT: &[(KindId, &str)] = &[
    (KindId::AlertRule, "no condition is evaluated and no alert fires"),
    (KindId::NotificationSink, "no message is sent"),
    (KindId::Workload, "no container is started"),
];

/// Why `object` has no effect in this version, if it has none.
pub fn inert(object: &Object) -> Option<String> {
    let kind = object.spec.kind();
    let listed = INERT.iter().find(|(inert, _)| *inert == kind);
    if let Some((kind, not_done)) = listed {
        return Some(format!("nothing acts on the kind {kind} yet: {not_done}"));
    }
    match &object.spec {
        Spec::Silence(silence) if !silence.suppress.contains(&Suppress::Healing) => Some(
            "it suppresses nothing: no message is sent yet; `suppress: [healing]` has an effect".to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_every_kind_on_which_nothing_acts_and_no_other() {
        let readme = include_str!("../../README.md");
        let line = readme.lines().find(|line| line.contains("**Nothing acts yet on**")).expect("a line");
        for kind in KindId::ALL {
            let inert = INERT.iter().any(|(inert, _)| inert == kind);
            assert_eq!(line.contains(&format!("`{kind}`")), inert, "{kind}: {line}");
        }
    }
}

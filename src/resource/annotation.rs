//! Annotations that mean something to Portreeve: those whose keys begin with `portreeve/`. All others are people's.

use serde_json::{Value, json};

use super::nearest;

/// `disabled`: the object stays in force when its file declares it no longer, and belongs to the API from then on.
pub const PRUNE: &str = "portreeve/prune";
/// `"true"`: nothing is done on the object's account.
pub const SUSPEND: &str = "portreeve/suspend";
/// The set of files that the object was applied with; written by `portreeve apply`.
pub const APPLIED_SET: &str = "portreeve/applied-set";

/// What [`PRUNE`] can say.
pub const PRUNE_DISABLED: &str = "disabled";
/// What [`SUSPEND`] says of an object that is suspended.
pub const SUSPENDED: &str = "true";
/// What it may say of one that is not.
const NOT_SUSPENDED: &str = "false";

const OURS: &str = "portreeve/";
const KNOWN: [&str; 3] = [PRUNE, SUSPEND, APPLIED_SET];

/// What ours can be, for editors.
pub(super) fn schema() -> Value {
    json!({
        PRUNE: {"description": "`disabled`: the object stays without its file.", "const": PRUNE_DISABLED},
        SUSPEND: {
            "description": "`true`: nothing is done for the object.",
            "enum": [SUSPENDED, NOT_SUSPENDED],
        },
        APPLIED_SET: {"description": "Written by `portreeve apply`.", "type": "string"},
    })
}

/// What is wrong with an annotation. A slip in one of ours would do nothing, silently.
pub(super) fn fault(key: &str, value: &str) -> Option<String> {
    match key {
        PRUNE if value != PRUNE_DISABLED => Some(format!(
            "must be \"{PRUNE_DISABLED}\", or left out so that the object is pruned with its file"
        )),
        SUSPEND if value != SUSPENDED && value != NOT_SUSPENDED => {
            Some(format!("must be \"{SUSPENDED}\", so that nothing is done for the object, or left out"))
        }
        PRUNE | SUSPEND | APPLIED_SET => None,
        _ if key.starts_with(OURS) => Some(match nearest(key, KNOWN) {
            Some(near) => format!("Portreeve has no such annotation; did you mean `{near}`?"),
            None => format!("Portreeve has no such annotation; it has {}", KNOWN.join(", ")),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_known_by_name_and_value_and_others_are_let_be() {
        for (key, value) in [
            (PRUNE, "disabled"),
            (SUSPEND, "true"),
            (SUSPEND, "false"),
            (APPLIED_SET, "/etc/shop"),
            ("team", "shop"),
            ("shop.example/prune", "perhaps"),
        ] {
            assert_eq!(fault(key, value), None, "{key}={value}");
        }
        for (key, value, says) in [
            (PRUNE, "enabled", "must be \"disabled\", or left out"),
            (PRUNE, "", "must be \"disabled\""),
            (SUSPEND, "True", "must be \"true\""),
            ("portreeve/suspended", "true", "did you mean `portreeve/suspend`?"),
            ("portreeve/unheard-of", "true", "it has portreeve/prune, portreeve/suspend"),
        ] {
            let said = fault(key, value).unwrap_or_else(|| panic!("{key}={value} is taken"));
            assert!(said.contains(says), "{said}");
        }
    }
}

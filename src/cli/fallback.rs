//! What is in force under the name of an object that is deleted: what the server's environment says, or what is built in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::{Client, ClientError};
use crate::resource::{KindId, ObjectKey};

/// What a server says of a deletion, made or tried: the object in force from then on, if there is one.
pub(super) fn of(answer: &Value) -> Option<&Value> {
    answer.pointer("/details/inForce").filter(|object| object.is_object())
}

/// The same of each of `keys`, for people and for what follows from it: nothing is deleted. `preview`: a file of the server declares
/// them.
pub(super) async fn of_all(
    client: &Client,
    keys: impl IntoIterator<Item = &ObjectKey>,
    preview: bool,
) -> Result<BTreeMap<ObjectKey, Value>, ClientError> {
    let mut found = BTreeMap::new();
    // Nothing else is in force unless it is declared.
    let lasting = |key: &&ObjectKey| matches!(key.kind, KindId::AutohealPolicy | KindId::Settings);
    for key in keys.into_iter().filter(lasting) {
        let answer = client.try_delete(&[key.kind.plural(), &key.name], preview).await?;
        found.extend(of(&answer.body).map(|object| (key.clone(), object.clone())));
    }
    Ok(found)
}

/// What is in force again, for people.
pub(super) fn said(key: &ObjectKey, object: &Value) -> String {
    match object.pointer("/metadata/origin").and_then(Value::as_str) {
        Some("built-in") => format!("the built-in {key} is in force again"),
        Some("environment") => format!("{key} is in force again as the server's environment says"),
        Some(_) | None => format!("{key} is in force again as the API declares it"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_in_force_again_is_told_with_who_says_so() {
        let key = ObjectKey { kind: KindId::Settings, name: "portreeve".to_owned() };
        let answer = |origin: &str| json!({"details": {"inForce": {"metadata": {"origin": origin}}}});
        let said = |origin: &str| of(&answer(origin)).map(|object| said(&key, object));
        assert_eq!(said("built-in").as_deref(), Some("the built-in Settings/portreeve is in force again"));
        let environment = "Settings/portreeve is in force again as the server's environment says";
        assert_eq!(said("environment").as_deref(), Some(environment));
        assert_eq!(of(&json!({"details": {"name": "portreeve"}})), None);
    }
}

//! A word that names nothing of its kind, and what it may have meant.

use serde_json::Value;

use super::UsageError;
use super::client::Client;
use super::get::columns::name;
use super::noun::{CommandTarget, Noun, targets};
use super::text::plain;
use crate::resource::KindId;

/// What `words` mean; of one that is no kind but the name of something, the command that was meant.
pub(super) async fn targets_or_hint(
    client: &Client,
    verb: &str,
    words: &[String],
) -> Result<Vec<CommandTarget>, UsageError> {
    let error = match targets(words) {
        Ok(targets) => return Ok(targets),
        Err(error) => error,
    };
    let [word] = words else { return Err(error) };
    match named(client, word).await {
        Some(noun) => {
            let (kind, word) = (noun.kind().to_lowercase(), plain(word));
            Err(UsageError(format!("unknown kind `{word}`; did you mean `portreeve {verb} {kind} {word}`?")))
        }
        None if verb == "describe" && !error.to_string().contains("did you mean") => {
            let UsageError(why) = error;
            let word = plain(word);
            Err(UsageError(format!("{why}; a name needs its kind: `portreeve describe container {word}`")))
        }
        None => Err(error),
    }
}

/// A collection that has something of this name, containers first; `None` also where nobody can be asked.
pub(super) async fn named(client: &Client, word: &str) -> Option<Noun> {
    if client.get(&[Noun::Containers.plural(), word], &[]).await.is_ok() {
        return Some(Noun::Containers);
    }
    for kind in KindId::ALL {
        // Most names cannot be found one by one: an unknown name may hold what a path cannot.
        let items: Vec<Value> = client.items(kind.plural(), &[]).await.ok()?;
        if items.iter().any(|item| name(item) == word) {
            return Some(Noun::Kind(*kind));
        }
    }
    None
}

//! `portreeve wait KIND NAME... --for=...`: until something is so, or the time is over.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::client::{Client, ClientError, ServerArgs};
use super::face::Face;
use super::noun::{CommandTarget, Noun, targets};
use super::text::{plain, scalar};
use super::{Exit, UsageError, fail};
use crate::manifest::nearest;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Flags of `wait`.
#[derive(Args, Debug)]
pub(super) struct WaitArgs {
    /// KIND NAME... or KIND/NAME...; waits for all of them
    #[arg(required = true, value_name = "KIND")]
    words: Vec<String>,

    /// `delete`; `condition=TYPE[=False]` of an object; `health=healthy` of a service; `state=running`, `health=healthy`,
    /// `released` of a container; `state=delivered` of a delivery
    #[arg(long = "for", value_name = "WHAT", required = true)]
    what: String,

    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: crate::resource::Duration,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Goal {
    /// That it is gone.
    Delete,
    /// That a condition has this status.
    Condition { kind: String, status: String },
    /// That a field reads so.
    Field { pointer: &'static str, value: String },
    /// That it is not in quarantine.
    Released,
}

pub(super) async fn wait(args: &WaitArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let WaitArgs { words, what, timeout, server } = args;
    let mut awaited =
        targets(words)?.into_iter().map(|target| Awaited::of(target, what)).collect::<Result<Vec<_>, _>>()?;
    let client = server.client()?;
    let begin = tokio::time::Instant::now();
    loop {
        for one in &mut awaited {
            one.look(&client).await?;
            if one.missing.is_none() {
                face.progress("");
                writeln!(face.out, "{} {}", one.place(), one.goal.met())?;
            }
        }
        awaited.retain(|one| one.missing.is_some());
        let Some(first) = awaited.first() else { return Ok(Exit::Fine) };
        if begin.elapsed() >= timeout.get() {
            face.progress("");
            for one in &awaited {
                fail(face.err, &format!("{}: timed out after {timeout}: {}", one.place(), one.why()))?;
            }
            return Ok(Exit::Problems);
        }
        face.progress(&format!("waiting for {}: {}", first.place(), first.why()));
        tokio::time::sleep(LOOK.min(timeout.get().saturating_sub(begin.elapsed()))).await;
    }
}

/// One of those that are waited for.
struct Awaited {
    noun: Noun,
    name: String,
    goal: Goal,
    /// What is not so yet; none: it is.
    missing: Option<String>,
}

impl Awaited {
    fn of(target: CommandTarget, what: &str) -> Result<Self, UsageError> {
        let CommandTarget { noun, name: Some(name) } = target else {
            return Err(UsageError("name the objects, as KIND NAME... or KIND/NAME...".to_owned()));
        };
        Ok(Self { noun, name, goal: Goal::parse(what, noun)?, missing: None })
    }

    async fn look(&mut self, client: &Client) -> Result<(), ClientError> {
        self.missing = match client.get(&[self.noun.plural(), &self.name], &[]).await {
            Ok(item) => self.goal.missing(&item),
            Err(error) if error.is_not_found() => (self.goal != Goal::Delete).then(|| error.to_string()),
            // It may be about to start.
            Err(error @ ClientError::Unreachable { .. }) => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// As in `monitoredservice/web`.
    fn place(&self) -> String {
        format!("{}/{}", self.noun, plain(&self.name))
    }

    fn why(&self) -> &str {
        self.missing.as_deref().unwrap_or_default()
    }
}

impl Goal {
    fn parse(text: &str, noun: Noun) -> Result<Self, UsageError> {
        let (word, value) = text.split_once('=').unwrap_or((text, ""));
        let of_container = noun == Noun::Containers;
        let states = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
        let goal = match (word, noun) {
            (_, Noun::Events) => return Err(UsageError("`wait` does not work for events".to_owned())),
            ("delete", _) if value.is_empty() => Self::Delete,
            ("condition", Noun::Kind(_)) if !value.is_empty() => {
                let (kind, status) = value.split_once('=').unwrap_or((value, "True"));
                let status = known(status, &["True", "False", "Unknown"])?;
                Self::Condition { kind: kind.to_owned(), status }
            }
            ("state", Noun::Containers) => Self::Field { pointer: "/status", value: known(value, &states)? },
            ("health", Noun::Containers) => Self::Field {
                pointer: "/health",
                value: known(value, &["starting", "healthy", "unhealthy", "silent"])?,
            },
            ("health", Noun::Kind(_)) => Self::Field {
                pointer: "/status/health",
                value: known(value, &["healthy", "unhealthy", "unknown", "error", "not_found"])?,
            },
            ("released", Noun::Containers) if value.is_empty() => Self::Released,
            ("state", Noun::Deliveries) => Self::Field {
                pointer: "/state",
                value: known(value, &["pending", "parked", "delivered", "skipped"])?,
            },
            _ => {
                let forms = if of_container {
                    "state=running, health=healthy, released or delete"
                } else if noun == Noun::Deliveries {
                    "state=delivered or delete"
                } else {
                    "condition=Ready, health=healthy or delete"
                };
                let text = plain(text);
                return Err(UsageError(format!("--for={text}: for a {noun} use {forms}")));
            }
        };
        Ok(goal)
    }

    /// What is not so yet.
    fn missing(&self, item: &Value) -> Option<String> {
        match self {
            Self::Delete => Some("it still exists".to_owned()),
            Self::Released => {
                (item["quarantined"] != Value::Bool(false)).then(|| "it is in quarantine".to_owned())
            }
            Self::Field { pointer, value } => {
                let is = scalar(item, pointer);
                (is.as_ref() != Some(value)).then(|| match is {
                    Some(is) => format!("it is {is}"),
                    None => "its state is not known".to_owned(),
                })
            }
            Self::Condition { kind, status } => {
                let conditions =
                    item.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
                let all: Vec<&Value> = conditions.collect();
                let found = all.iter().find(|condition| condition["type"].as_str() == Some(kind));
                let Some(condition) = found else {
                    let names: Vec<_> =
                        all.iter().filter_map(|condition| condition["type"].as_str()).collect();
                    let hint = match nearest(kind, names.iter().copied()) {
                        Some(near) => format!("; did you mean `{near}`?"),
                        None if names.is_empty() => String::new(),
                        None => format!(", but {}", names.join(", ")),
                    };
                    return Some(format!("it has no condition {}{hint}", plain(kind)));
                };
                let text = |field: &str| scalar(condition, field).unwrap_or_default();
                (text("/status") != *status)
                    .then(|| {
                        format!(
                            "{} is {}: {} {}",
                            plain(kind),
                            text("/status"),
                            text("/reason"),
                            text("/message")
                        )
                    })
                    .map(|text| text.trim_end().to_owned())
            }
        }
    }

    fn met(&self) -> String {
        match self {
            Self::Delete => "deleted".to_owned(),
            Self::Released => "released".to_owned(),
            Self::Field { value, .. } => value.clone(),
            Self::Condition { kind, status } if status == "True" => format!("condition {} met", plain(kind)),
            Self::Condition { kind, status } => format!("condition {} is {status}", plain(kind)),
        }
    }
}

/// `text`, if it is one of `words`.
fn known(text: &str, words: &[&str]) -> Result<String, UsageError> {
    let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
    found.map(|word| (*word).to_owned()).ok_or_else(|| {
        let hint = nearest(text, words.iter().copied()).map_or_else(
            || format!("it is one of {}", words.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        UsageError(format!("`{}` is not possible; {hint}", plain(text)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::KindId;

    const POLICY: Noun = Noun::Kind(KindId::AutohealPolicy);

    #[test]
    fn what_never_comes_is_a_slip_of_usage() {
        let said = |text: &str, noun| Goal::parse(text, noun).expect_err(text).to_string();
        assert!(said("state=runing", Noun::Containers).contains("did you mean `running`?"));
        assert!(said("condition=Ready", Noun::Containers).contains("use state=running"));
        assert!(said("Ready", POLICY).contains("use condition=Ready"));
        assert!(said("delete", Noun::Events).contains("`wait` does not work for events"));
        assert_eq!(Goal::parse("delete", POLICY).expect("a goal"), Goal::Delete);
    }

    #[test]
    fn a_goal_says_what_is_missing() {
        let item = json!({"status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "Unreachable", "message": "refused"},
        ]}});
        let missing = |text: &str| Goal::parse(text, POLICY).expect("a goal").missing(&item);
        assert_eq!(missing("condition=Ready").as_deref(), Some("Ready is False: Unreachable refused"));
        assert_eq!(missing("condition=Ready=false"), None);
        assert_eq!(
            missing("condition=Redy").as_deref(),
            Some("it has no condition Redy; did you mean `Ready`?")
        );
        let web = json!({"status": "exited", "health": null, "quarantined": true});
        let missing = |text: &str| Goal::parse(text, Noun::Containers).expect("a goal").missing(&web);
        assert_eq!(missing("state=exited"), None);
        assert_eq!(missing("state=running").as_deref(), Some("it is exited"));
        assert_eq!(missing("health=healthy").as_deref(), Some("its state is not known"));
        assert_eq!(missing("released").as_deref(), Some("it is in quarantine"));
    }
}

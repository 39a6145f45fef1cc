//! What is in force, as manifests that say the same: written from the server's objects, so that no default of a template can
//! contradict what variables or earlier applies made of them.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

use crate::cli::text::plain;
use crate::desired::builtin_policy;
use crate::resource::docker_host::DockerHostSpec;
use crate::resource::settings::SettingsSpec;
use crate::resource::{KindId, ObjectKey};
use crate::terminal::quoted;

type Objects = BTreeMap<ObjectKey, Value>;

/// `Settings`: what differs from its default, and a few fields as comments.
pub(super) fn settings(objects: &Objects) -> String {
    let mut text = String::from(
        "# How Portreeve itself works. What is left out keeps its default.\n\
         # `portreeve explain settings.spec` describes every field.\n",
    );
    let mut found = of(objects, KindId::Settings);
    let defaults = fields(serde_json::to_value(SettingsSpec::default()));
    let (name, spec) = match found.next() {
        Some((_, object)) if let Some(file) = file(object) => {
            let _ =
                writeln!(text, "# Settings/portreeve is already declared in {} of the server.", plain(file));
            return text;
        }
        Some((key, object)) => (key.name.as_str(), fields(Ok(object["spec"].clone()))),
        None => ("portreeve", Map::new()),
    };
    let mut spec: Map<String, Value> =
        spec.into_iter().filter(|(field, value)| defaults.get(field) != Some(value)).collect();
    spec.entry("resync").or_insert_with(|| defaults["resync"].clone());
    head(&mut text, KindId::Settings, name, "");
    text.push_str("spec:\n");
    for (field, value) in &spec {
        let why = match field.as_str() {
            "resync" => "how often each engine is listed again, besides its event stream",
            "observe" => "no container is touched; only report what would be done",
            _ => "",
        };
        line(&mut text, field, value, why);
    }
    if !spec.contains_key("observe") {
        text.push_str(
            "  # observe: true            # touch no container, only report what would be done: good for a \
            first day\n",
        );
    }
    text
}

/// Every policy in force.
pub(super) fn policies(objects: &Objects) -> String {
    let mut text = String::from(
        "# Which containers are restarted when they are sick, how often, and when to stop trying.\n\
         # `portreeve explain autohealpolicy.spec` describes every field; `portreeve get containers` shows which are blocked and why.\n",
    );
    let built_in = serde_json::to_value(builtin_policy());
    let defaults =
        fields(serde_json::to_value(crate::resource::autoheal_policy::AutohealPolicySpec::default()));
    let none_told = of(objects, KindId::AutohealPolicy).next().is_none();
    let told = of(objects, KindId::AutohealPolicy).map(|(key, object)| (key.name.as_str(), object.clone()));
    let built_in = none_told.then(|| {
        let mut object = Map::new();
        object.insert("spec".to_owned(), built_in.unwrap_or_default());
        (crate::desired::DEFAULT_POLICY, Value::Object(object))
    });
    let mut first = true;
    for (name, object) in told.chain(built_in) {
        if let Some(file) = file(&object) {
            let _ = writeln!(
                text,
                "# AutohealPolicy/{} is already declared in {} of the server.",
                plain(name),
                plain(file)
            );
            continue;
        }
        if !std::mem::take(&mut first) {
            text.push_str("---\n");
        }
        let replaces = "                 # the policy of this name replaces the built-in one";
        head(
            &mut text,
            KindId::AutohealPolicy,
            name,
            if name == crate::desired::DEFAULT_POLICY { replaces } else { "" },
        );
        text.push_str("spec:\n");
        let spec = fields(Ok(object["spec"].clone()));
        for (field, why) in SHOWN {
            if let Some(value) = spec.get(*field) {
                line(&mut text, field, value, why);
            }
        }
        let shown = |field: &str| SHOWN.iter().any(|(shown, _)| *shown == field);
        for (field, value) in spec.iter().filter(|(field, _)| !shown(field)) {
            if defaults.get(field) != Some(value) {
                line(&mut text, field, value, "");
            }
        }
        if !spec.contains_key("exclude") || spec["exclude"] == defaults["exclude"] {
            text.push_str("  # exclude: {names: [db]}\n");
        }
    }
    text
}

/// Fields of a policy that are written down also where they are as by default.
const SHOWN: &[(&str, &str)] = &[
    ("selector", "or: {names: [\"web-*\"]}, {compose: {project: shop}}, {all: true}"),
    (
        "triggers",
        "Docker's own health check; crashes with `exited: onFailure`; a stop by hand is never undone",
    ),
    ("backoff", "the first restart at once, then these waits"),
    ("budget", "spent: quarantine, until `portreeve release`"),
];

/// The engines that were declared, if any was.
pub(super) fn hosts(objects: &Objects) -> Option<String> {
    let declared = of(objects, KindId::DockerHost)
        .filter(|(_, object)| object.pointer("/metadata/origin").is_some_and(|origin| origin == "api"));
    let defaults = fields(serde_json::to_value(DockerHostSpec::default()));
    let mut text = String::from(
        "# The engines that are watched. List all of them: an engine that is not declared is not watched.\n",
    );
    let mut separator = "";
    for (key, object) in declared {
        text.push_str(separator);
        separator = "---\n";
        head(&mut text, KindId::DockerHost, &key.name, "");
        let spec = fields(Ok(object["spec"].clone()));
        let spec: Map<String, Value> =
            spec.into_iter().filter(|(field, value)| defaults.get(field) != Some(value)).collect();
        if spec.is_empty() {
            text.push_str("spec: {}\n");
            continue;
        }
        text.push_str("spec:\n");
        for (field, value) in &spec {
            line(&mut text, field, value, "");
        }
    }
    (!separator.is_empty()).then_some(text)
}

fn of(objects: &Objects, kind: KindId) -> impl Iterator<Item = (&ObjectKey, &Value)> {
    objects.iter().filter(move |(key, _)| key.kind == kind)
}

/// The file of the server's directory that declares the object.
fn file(object: &Value) -> Option<&str> {
    object.pointer("/metadata/origin")?.as_str()?.strip_prefix("directory:")
}

fn fields(spec: Result<Value, serde_json::Error>) -> Map<String, Value> {
    match spec {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn head(text: &mut String, kind: KindId, name: &str, comment: &str) {
    let name = if is_plain(name) { name.to_owned() } else { quoted(name) };
    let version = crate::resource::API_VERSION;
    let _ = writeln!(text, "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}{comment}");
}

fn line(text: &mut String, field: &str, value: &Value, comment: &str) {
    let line = format!("  {field}: {}", flow(value));
    let _ = match comment {
        "" => writeln!(text, "{line}"),
        comment => writeln!(text, "{line:<40}  # {comment}"),
    };
}

/// A value on one line, in YAML's flow style.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                let key = if is_plain(key) { key.clone() } else { quoted(key) };
                format!("{key}: {}", flow(value))
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// Whether YAML takes the word for a text without quotes, whatever its version: a duration, or a word that means nothing else.
fn is_plain(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphabetic();
    let duration = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(['s', 'm', 'h', 'd'])
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, 's' | 'm' | 'h' | 'd'));
    let word = text.len() > 1
        && text.starts_with(letters)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !["yes", "no", "on", "off", "true", "false", "null"].contains(&text.to_ascii_lowercase().as_str());
    duration || word
}

//! The text that is edited: an object as YAML below comments that say what to do, and what was wrong with it.

use serde_json::{Map, Value};

use crate::cli::files::document;
use crate::cli::text::plain;
use crate::manifest::parse;
use crate::resource::ObjectKey;

/// What people write of an object: without status, and without what Portreeve keeps about it.
pub(super) fn written(object: &Value) -> Map<String, Value> {
    let mut document = Map::new();
    for field in ["apiVersion", "kind", "metadata", "spec"] {
        document.insert(field.to_owned(), object.get(field).cloned().unwrap_or_default());
    }
    if let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| matches!(field.as_str(), "name" | "labels" | "annotations"));
    }
    document
}

/// The text of the first look.
pub(super) fn first(key: &ObjectKey, server: &str, object: &Map<String, Value>) -> anyhow::Result<String> {
    let body = crate::manifest::yaml(&Value::Object(object.clone()))?;
    Ok(format!(
        "# {key} of {server}. Save the file and exit to apply your changes.\n\
         # Without a change, or if the file is empty, nothing happens. Comments are ignored.\n{body}"
    ))
}

/// What somebody made of it.
#[derive(Debug, PartialEq)]
pub(super) enum DraftReading {
    /// An object.
    Object(Map<String, Value>),
    /// Nothing but comments and blanks.
    Blank,
    /// Something else: what is wrong, several lines.
    Wrong(String),
}

/// Reads `text`, which must be about the object `key`. Places are counted in the text that [`again`] makes of it.
pub(super) fn read(key: &ObjectKey, file: &str, text: &str) -> DraftReading {
    let body = body(text);
    if body.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return DraftReading::Blank;
    }
    // What is wrong is shown above the text, and moves it down by as many lines.
    let below = |lines: usize| parse(file, format!("{}{body}", "#\n".repeat(lines)).as_bytes());
    let parsed = below(0);
    if !parsed.problems.is_empty() {
        let said = |parsed: crate::manifest::Parsed| {
            let problems: Vec<String> = parsed.problems.into_iter().map(|problem| problem.rendered).collect();
            problems.join("\n\n")
        };
        let lines = header(&said(parsed)).lines().count();
        return DraftReading::Wrong(said(below(lines)));
    }
    match parsed.objects.as_slice() {
        [loaded] if loaded.object.key() == *key => match document(loaded, None) {
            Value::Object(document) => DraftReading::Object(document),
            _ => DraftReading::Blank,
        },
        [loaded] => DraftReading::Wrong(format!(
            "error: this is {}, but {key} is edited: kind and name cannot change",
            loaded.object.key()
        )),
        several => DraftReading::Wrong(format!(
            "error: there are {} objects here, but only {key} is edited",
            several.len()
        )),
    }
}

/// The text of a further look: what is wrong with it, and then all of it as it was left.
pub(super) fn again(wrong: &str, text: &str) -> String {
    format!("{}{}", header(wrong), body(text))
}

fn header(wrong: &str) -> String {
    let mut header = String::from(
        "# This was not accepted. Correct it, save it and exit; delete everything to cancel.\n#\n",
    );
    for line in wrong.lines() {
        header.push_str(format!("# {}", plain(line)).trim_end());
        header.push('\n');
    }
    header.push_str("#\n");
    header
}

/// `text` without the comments at its beginning, which are ours.
fn body(text: &str) -> &str {
    let mut rest = text;
    while rest.starts_with('#') {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::KindId;

    fn key() -> ObjectKey {
        ObjectKey { kind: KindId::AutohealPolicy, name: "a".to_owned() }
    }

    fn object() -> Map<String, Value> {
        written(&json!({
            "apiVersion": "portreeve/v1", "kind": "AutohealPolicy",
            "metadata": {"name": "a", "labels": {"tier": "web"}, "uid": "u", "resourceVersion": "7", "origin": "api"},
            "spec": {"selector": {"all": true}}, "status": {"observedGeneration": 1},
        }))
    }

    #[test]
    fn what_is_shown_is_what_people_write_and_reads_as_it_was() {
        let text = first(&key(), "http://s", &object()).expect("text");
        assert!(!text.contains("uid") && !text.contains("status"), "{text}");
        let DraftReading::Object(read) = read(&key(), "f", &text) else { panic!("{text}") };
        assert_eq!(read, object());
    }

    #[test]
    fn a_mistake_is_shown_above_with_the_line_it_has_then() {
        let text = first(&key(), "http://s", &object()).expect("text").replace("selector", "selektor");
        let DraftReading::Wrong(wrong) = read(&key(), "f.yaml", &text) else { panic!("{text}") };
        assert!(wrong.contains("unknown field `selektor`; did you mean `selector`?"), "{wrong}");
        let shown = again(&wrong, &text);
        let line = shown.lines().position(|line| line.trim() == "selektor:").expect("the line") + 1;
        assert!(wrong.contains(&format!("f.yaml:{line}:")), "{wrong}\n{shown}");
        // Once more with nothing mended: the comments are not piled up.
        assert_eq!(again(&wrong, &shown), shown);
        assert!(matches!(read(&key(), "f.yaml", &shown), DraftReading::Wrong(same) if same == wrong));
    }

    #[test]
    fn another_object_several_or_none_are_not_this_one() {
        let text = first(&key(), "http://s", &object()).expect("text");
        let said = |text: &str| match read(&key(), "f", text) {
            DraftReading::Wrong(wrong) => wrong,
            other => panic!("{other:?}"),
        };
        assert!(said(&text.replace("name: a", "name: b")).contains("this is AutohealPolicy/b"));
        let two = format!("{text}---\n{}", body(&text.replace("name: a", "name: b")));
        assert!(said(&two).contains("there are 2 objects here"));
        assert_eq!(read(&key(), "f", "# a\n\n # b\n"), DraftReading::Blank);
        assert_eq!(read(&key(), "f", ""), DraftReading::Blank);
    }
}

//! What a kind and its fields mean, as text such as `kubectl explain` writes, from the generated schemas.

mod tree;

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{API_VERSION, KindId, nearest, schema};

/// Where lines end.
const WIDTH: usize = 80;

/// A path that leads to no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{within} has no field `{field}`{hint}")]
pub struct UnknownField {
    within: String,
    field: String,
    hint: String,
}

/// What the field at `path` of `kind` means: `["spec", "probes"]`; an empty path means the kind itself. Lists and
/// optional values are looked through: the fields of a list are those of its items.
///
/// # Errors
/// [`UnknownField`], with the nearest field that there is.
pub fn explain(kind: KindId, path: &[&str]) -> Result<String, UnknownField> {
    let document = schema::schema(kind);
    let schemas = Schemas { root: &document };
    Ok(schemas.text(kind, &schemas.at(kind, path)?))
}

/// The fields below the one at `path` with their types, one a line, those of a field below it; `depth` levels of them.
///
/// # Errors
/// As [`explain`].
pub fn fields(kind: KindId, path: &[&str], depth: usize) -> Result<String, UnknownField> {
    let document = schema::schema(kind);
    let schemas = Schemas { root: &document };
    Ok(schemas.tree(schemas.at(kind, path)?.schema, depth))
}

fn unknown(schemas: Schemas<'_>, within: &str, schema: &Value, field: &str) -> UnknownField {
    let empty = Map::new();
    let known = schemas.fields(schema).unwrap_or(&empty);
    let spec =
        schemas.root.pointer("/properties/spec").and_then(|spec| schemas.fields(spec)).unwrap_or(&empty);
    // Most people mean the spec, and many leave it out.
    let in_spec = std::ptr::eq(schema, schemas.root) && spec.contains_key(field);
    let hint = if in_spec {
        format!("; did you mean `spec.{field}`?")
    } else if known.is_empty() {
        "; it has no fields".to_owned()
    } else {
        nearest(field, known.keys().map(String::as_str)).map_or_else(
            || format!("; there is {}", known.keys().cloned().collect::<Vec<_>>().join(", ")),
            |near| format!("; did you mean `{near}`?"),
        )
    };
    let field = field.chars().take(64).flat_map(char::escape_debug).collect();
    UnknownField { within: within.to_owned(), field, hint }
}

/// A field, and what its value may be.
struct Node<'s> {
    field: Option<&'s str>,
    schema: &'s Value,
}

/// One document's schema with its definitions.
#[derive(Clone, Copy)]
struct Schemas<'s> {
    root: &'s Value,
}

impl<'s> Schemas<'s> {
    /// The field at `path`.
    fn at(self, kind: KindId, path: &[&str]) -> Result<Node<'s>, UnknownField> {
        let mut node = Node { field: None, schema: self.root };
        let mut within = kind.as_str().to_owned();
        for step in path {
            node = self.field(node.schema, step).ok_or_else(|| unknown(self, &within, node.schema, step))?;
            within = format!("{within}.{step}");
        }
        Ok(node)
    }

    /// What stands behind references and `null`.
    fn resolved(self, schema: &'s Value) -> &'s Value {
        if let Some(name) = definition(schema) {
            return self
                .root
                .get("$defs")
                .and_then(|all| all.get(name))
                .map_or(schema, |found| self.resolved(found));
        }
        match choices(schema).as_slice() {
            [only] => self.resolved(only),
            _ => schema,
        }
    }

    /// The schema of a list's items, a map's values, or of the value itself.
    fn inner(self, schema: &'s Value) -> &'s Value {
        let schema = self.resolved(schema);
        let values =
            schema.get("items").or_else(|| schema.get("additionalProperties").filter(|it| it.is_object()));
        values.map_or(schema, |values| self.inner(values))
    }

    fn fields(self, schema: &'s Value) -> Option<&'s Map<String, Value>> {
        self.inner(schema).get("properties").and_then(Value::as_object)
    }

    fn field(self, schema: &'s Value, name: &str) -> Option<Node<'s>> {
        let (name, schema) = self.fields(schema)?.get_key_value(name)?;
        Some(Node { field: Some(name), schema })
    }

    /// The type in a word: `string`, `[]Notify`, `map[string]string`.
    fn type_name(self, schema: &'s Value) -> String {
        let resolved = self.resolved(schema);
        let named = definition(schema).or_else(|| choices(schema).first().and_then(|one| definition(one)));
        if let Some(items) = resolved.get("items") {
            let name = self.type_name(items);
            return if name.contains('|') { format!("[]({name})") } else { format!("[]{name}") };
        }
        if let Some(values) = resolved.get("additionalProperties").filter(|values| values.is_object()) {
            return format!("map[string]{}", self.type_name(values));
        }
        let several = choices(resolved);
        if several.len() > 1 {
            let names: Vec<String> = several.into_iter().map(|one| self.type_name(one)).collect();
            return names.join("|");
        }
        let types: Vec<&str> = match resolved.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ if resolved.get("const").is_some_and(Value::is_string) || !self.words(resolved).is_empty() => {
                vec!["string"]
            }
            _ => vec!["any"],
        };
        // Of numbers only 0 stands without a unit.
        let only_zero = resolved.get("maximum").is_some_and(|most| most == 0);
        let types: Vec<&str> = types.into_iter().filter(|name| !(only_zero && *name == "integer")).collect();
        match (types.as_slice(), named) {
            (["object"], Some(name)) => name.to_owned(),
            (["object"], None) => "Object".to_owned(),
            _ => types.into_iter().filter(|name| *name != "null").collect::<Vec<_>>().join("|"),
        }
    }

    /// The words that a value can be, each with what it means.
    fn words(self, schema: &'s Value) -> Vec<(&'s str, Option<&'s str>)> {
        let schema = self.inner(schema);
        let several = choices(schema);
        if several.len() > 1 {
            return several.into_iter().flat_map(|one| self.words(one)).collect();
        }
        let plain = |value: &'s Value| {
            let words = value.get("enum").and_then(Value::as_array).into_iter().flatten();
            words.chain(value.get("const")).filter_map(Value::as_str)
        };
        let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let described = described.flat_map(|one| {
            let text = one.get("description").and_then(Value::as_str);
            plain(one).map(move |word| (word, text))
        });
        plain(schema).map(|word| (word, None)).chain(described).collect()
    }

    /// Of these fields exactly one is given.
    fn exclusive(self, schema: &'s Value) -> Vec<&'s str> {
        let choices = self.inner(schema).get("oneOf").and_then(Value::as_array);
        let required = choices.into_iter().flatten().filter_map(|one| one.get("required")?.as_array());
        required
            .filter_map(
                |fields| if let [Value::String(field)] = &fields[..] { Some(field.as_str()) } else { None },
            )
            .collect()
    }

    fn text(self, kind: KindId, node: &Node<'s>) -> String {
        let mut text = format!("KIND:     {kind}\nVERSION:  {API_VERSION}\n\n");
        if let Some(field) = node.field {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "FIELD: {field} <{}>\n\n", self.type_name(node.schema));
        }
        text.push_str("DESCRIPTION:\n");
        let (own, inner) = (description(node.schema), description(self.inner(node.schema)));
        // The field's own words often open those of its type.
        let own = own.filter(|own| inner.is_none_or(|inner| !inner.starts_with(*own)));
        let about: Vec<&str> = own.into_iter().chain(inner.filter(|inner| own != Some(*inner))).collect();
        wrap(&mut text, &if about.is_empty() { "No description.".to_owned() } else { about.join("\n\n") }, 4);
        let mut facts = String::new();
        self.facts(&mut facts, node.schema, 4, false);
        if !facts.is_empty() {
            let _ = write!(text, "\n{facts}");
        }
        let words = self.words(node.schema);
        if !words.is_empty() {
            text.push_str("\nVALUES:\n");
            for (word, meaning) in words {
                let _ = writeln!(text, "  {word}");
                meaning.into_iter().for_each(|meaning| wrap(&mut text, meaning, 4));
            }
        }
        let exclusive = self.exclusive(node.schema);
        if exclusive.len() > 1 {
            text.push_str("\nEXACTLY ONE OF:\n");
            wrap(&mut text, &exclusive.join(", "), 4);
        }
        self.list(&mut text, node.schema);
        text
    }

    fn list(self, text: &mut String, schema: &'s Value) {
        let Some(fields) = self.fields(schema) else { return };
        let required = self.inner(schema).get("required").and_then(Value::as_array);
        text.push_str("\nFIELDS:\n");
        for (name, field) in fields {
            let needed = required.is_some_and(|required| required.iter().any(|one| one == name.as_str()));
            let mark = if needed { " -required-" } else { "" };
            let _ = writeln!(text, "  {name}\t<{}>{mark}", self.type_name(field));
            self.facts(text, field, 2, true);
            let about = description(field).or_else(|| description(self.inner(field)));
            wrap(text, about.unwrap_or("No description."), 4);
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }

    /// Values, default, bounds: a line each.
    fn facts(self, text: &mut String, schema: &'s Value, indent: usize, words: bool) {
        let listed: Vec<&str> = self.words(schema).into_iter().map(|(word, _)| word).collect();
        if words && !listed.is_empty() {
            wrap(text, &format!("enum: {}", listed.join(", ")), indent);
        }
        if let Some(default) = schema.get("default").and_then(short) {
            wrap(text, &format!("default: {default}"), indent);
        }
        let resolved = self.resolved(schema);
        let largest = Some(u64::from(u32::MAX));
        let bound = |name: &str| {
            let same = resolved.get("minimum") == resolved.get("maximum");
            resolved.get(name).filter(|value| !same && value.as_u64() != largest)
        };
        match (bound("minimum").and_then(short), bound("maximum").and_then(short)) {
            (Some(least), Some(most)) => wrap(text, &format!("range: {least} to {most}"), indent),
            (Some(least), None) if least != "0" => wrap(text, &format!("at least: {least}"), indent),
            _ => {}
        }
        if let Some(examples) = resolved.get("examples").and_then(Value::as_array) {
            let examples: Vec<String> = examples.iter().filter_map(short).collect();
            wrap(text, &format!("such as: {}", examples.join(", ")), indent);
        }
    }
}

fn description(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str)
}

fn definition(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)?.strip_prefix("#/$defs/")
}

/// What `anyOf` allows beside `null`.
fn choices(schema: &Value) -> Vec<&Value> {
    let all = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    all.filter(|one| one.get("type").is_none_or(|name| name != "null")).collect()
}

/// A value in a few words; nothing for what is empty, or is explained field by field.
fn short(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Array(items) if items.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").map_or(text.clone(), str::to_owned))
        }
        other => Some(other.to_string()),
    }
}

/// Appends `text` in lines of at most [`WIDTH`]; an empty line in it stays one.
fn wrap(into: &mut String, text: &str, indent: usize) {
    for (index, paragraph) in text.split("\n\n").enumerate() {
        if index > 0 {
            into.push('\n');
        }
        let mut column = 0;
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if column == 0 || column + 1 + length > WIDTH {
                if column > 0 {
                    into.push('\n');
                }
                into.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                into.push(' ');
                column += 1;
            }
            into.push_str(word);
            column += length;
        }
        into.push('\n');
    }
}

#[cfg(test)]
mod tests;

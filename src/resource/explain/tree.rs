//! Names and types of all fields, without a word about them.

use std::fmt::Write;

use serde_json::Value;

use super::Schemas;

impl Schemas<'_> {
    pub(super) fn tree(self, schema: &Value, depth: usize) -> String {
        let mut text = String::new();
        self.branch(&mut text, schema, 1, depth);
        text
    }

    fn branch(self, text: &mut String, schema: &Value, level: usize, depth: usize) {
        if level > depth {
            return;
        }
        let Some(fields) = self.fields(schema) else { return };
        let required = self.inner(schema).get("required").and_then(Value::as_array);
        for (name, field) in fields {
            let needed = required.is_some_and(|required| required.iter().any(|one| one == name.as_str()));
            let mark = if needed { " -required-" } else { "" };
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{:1$}{name}\t<{2}>{mark}", "", 2 * level, self.type_name(field));
            self.branch(text, field, level + 1, depth);
        }
    }
}

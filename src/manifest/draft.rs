//! A JSON document outside any file, as the API takes it: the same checks as for a file, with fields for places.

use serde_json::Value;

use super::{document, value};
use crate::resource::check::Reference;
use crate::resource::secret::policy::{Named, SecretPolicy};
use crate::resource::{FieldPath, Object, Origin};

/// An object that was read and found good.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The object.
    pub object: Object,
    /// The document it was read from.
    pub document: Value,
    /// Which variables and files it names.
    pub named: Vec<Named>,
}

/// Something wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field that is wrong; the root for the document itself.
    pub field: FieldPath,
    /// What is wrong, the field named.
    pub message: String,
}

/// What is known of a document that has faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// What is wrong with it.
    pub faults: Vec<FieldFault>,
    /// What it refers to all the same, as far as it can be read.
    pub references: Vec<Reference>,
}

/// The value of a JSON text: bounded in size and depth, without duplicate keys.
///
/// # Errors
/// What is wrong, with line and column.
pub fn json(text: &[u8]) -> Result<Value, String> {
    value::read_json(text).map_err(|error| {
        let value::Unreadable { at, message, .. } = error;
        format!("line {}, column {}: {message}", at.line, at.column)
    })
}

/// The object that `document` declares, checked as one of a file is.
///
/// # Errors
/// Everything wrong with it, as far as one look can tell.
pub fn draft(document: Value, origin: Origin) -> Result<Draft, Faulty> {
    match document::object(&document, origin) {
        Ok(document::Declared { object, named, .. }) => Ok(Draft { object, document, named }),
        Err(faulty) => Err(Faulty {
            faults: faulty
                .faults
                .into_iter()
                .map(|fault| FieldFault { field: fault.path, message: fault.message })
                .collect(),
            references: faulty.references,
        }),
    }
}

impl Draft {
    /// The same, if it names nothing that what strangers write may not name.
    ///
    /// # Errors
    /// What it may not name, and what would be right.
    pub fn restricted(self, policy: &SecretPolicy) -> Result<Self, Faulty> {
        let fault = |(named, why): (&Named, String)| FieldFault {
            field: named.path.clone(),
            message: format!("{}: {why}", named.path),
        };
        let faults: Vec<FieldFault> = policy.refused(&self.named).map(fault).collect();
        // What it refers to may be applied with it.
        if faults.is_empty() { Ok(self) } else { Err(Faulty { faults, references: Vec::new() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_within_bounds_and_without_duplicate_keys() {
        assert_eq!(json(br#"{"a":"\ud83d\ude00\/"}"#), Ok(serde_json::json!({"a": "😀/"})));
        for (text, said) in [
            (&br#"{"a":1,"a":2}"#[..], "`a` is given twice"),
            (b"{", "EOF while parsing"),
            (b"{} x", "trailing characters"),
            ("[".repeat(100).as_bytes(), "nested more than"),
            (b"\xff", "line 1, column"),
            (b"", "EOF"),
        ] {
            let error = json(text).expect_err("not good");
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_fault_names_its_field() {
        let document = serde_json::json!({
            "apiVersion": "portreeve/v1", "kind": "Settings", "metadata": {"name": "portreeve"},
            "spec": {"resinc": "5m", "criticalCpu": 101},
        });
        let Faulty { faults, .. } = draft(document, Origin::Api).expect_err("two faults");
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.to_string()).collect();
        assert_eq!(fields, ["spec.resinc", "spec.criticalCpu"]);
        assert_eq!(faults[0].message, "spec: unknown field `resinc`; did you mean `resync`?");
    }
}

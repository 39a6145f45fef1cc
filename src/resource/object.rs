//! An object: metadata, spec and status under one kind and name.

use std::collections::BTreeSet;
use std::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::{Check, Findings};
use super::condition::Condition;
use super::event::subject::EventSubject;
use super::secret::policy::Trust;
use super::{KindId, Metadata, Origin, Spec, annotation};

/// What every document says after `apiVersion:`.
pub const API_VERSION: &str = "portreeve/v1";

/// What an object is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: KindId,
    /// Its name, unique within the kind.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl From<&ObjectKey> for EventSubject {
    fn from(key: &ObjectKey) -> Self {
        Self::Object { kind: key.kind, name: key.name.clone() }
    }
}

/// What Portreeve says of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The generation of the spec that this was said of.
    #[serde(default)]
    pub observed_generation: u64,
    /// What is true of the object, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The kind's own figures.
    #[serde(flatten)]
    pub figures: serde_json::Map<String, serde_json::Value>,
}

/// One declared thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Name, labels, origin.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
    /// What Portreeve says of it.
    pub status: Status,
    /// The fields of the spec that were written down; the others hold defaults. This is what lets a lower-ranked
    /// origin fill in the fields of `Settings` that a higher-ranked one left out.
    pub given: BTreeSet<String>,
    /// What it may name; known to this process alone, and never part of a document.
    pub trust: Trust,
}

impl Object {
    /// An object without a status, all of whose fields count as given.
    pub fn new(name: &str, origin: Origin, spec: impl Into<Spec>) -> Self {
        let spec = spec.into();
        let given = given(&spec);
        let metadata = Metadata::named(name, origin);
        let trust = match metadata.origin {
            // Whoever sets variables, or builds the program, has it do anything.
            Some(Origin::BuiltIn | Origin::Environment) => Trust::Trusted,
            Some(Origin::Label | Origin::Api | Origin::Directory(_)) | None => Trust::Restricted,
        };
        Self { metadata, spec, status: Status::default(), given, trust }
    }

    /// What it is found by.
    pub fn key(&self) -> ObjectKey {
        ObjectKey { kind: self.spec.kind(), name: self.metadata.name.clone() }
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        self.metadata.origin.as_ref().unwrap_or(&Origin::BuiltIn)
    }

    /// What is wrong with it beyond types, what is odd, and which other objects it names.
    pub fn validate(&self) -> Findings {
        let mut check = Check::new();
        check.field("metadata", |check| {
            self.metadata.validate(check);
            let kind = self.spec.kind();
            if let Some(only) = kind.only().filter(|only| *only != self.metadata.name) {
                let why = format!("there is one {kind} object, named `{only}`");
                check.field("name", |check| check.refuse(why));
            }
            if self.spec.kind() == KindId::Settings && self.metadata.is_suspended() {
                let fault = "Settings cannot be suspended; with `observe: true` Portreeve decides everything and does \
                    nothing";
                check.field("annotations", |check| check.field(annotation::SUSPEND, |check| check.refuse(fault)));
            }
        });
        check.field("spec", |check| self.spec.validate(check));
        check.finish()
    }
}

fn given(spec: &Spec) -> BTreeSet<String> {
    match serde_json::to_value(spec) {
        Ok(serde_json::Value::Object(fields)) => fields.into_iter().map(|(name, _)| name).collect(),
        _ => BTreeSet::new(),
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("apiVersion", API_VERSION)?;
        map.serialize_entry("kind", self.spec.kind().as_str())?;
        map.serialize_entry("metadata", &self.metadata)?;
        map.serialize_entry("spec", &self.spec)?;
        map.serialize_entry("status", &self.status)?;
        map.end()
    }
}

/// Reads what [`Serialize`] wrote; text that people wrote is read by [`crate::manifest`], which says where it is wrong.
impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        struct Raw {
            api_version: String,
            kind: KindId,
            metadata: Metadata,
            spec: serde_json::Map<String, serde_json::Value>,
            #[serde(default)]
            status: Status,
        }
        use serde::de::Error;
        let Raw { api_version, kind, metadata, spec, status } = Raw::deserialize(deserializer)?;
        if api_version != API_VERSION {
            return Err(D::Error::custom(format!("apiVersion must be {API_VERSION}")));
        }
        let given = spec.keys().cloned().collect();
        let spec = Spec::deserialize(kind, serde_json::Value::Object(spec)).map_err(D::Error::custom)?;
        Ok(Self { metadata, spec, status, given, trust: Trust::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::settings::SettingsSpec;

    #[test]
    fn an_object_reads_back_as_it_was_written() {
        let mut object = Object::new("portreeve", Origin::Api, SettingsSpec::default());
        object.status.conditions.push(Condition::new("Accepted", true, "Valid", ""));
        let text = serde_json::to_string(&object).expect("JSON");
        assert!(text.starts_with(r#"{"apiVersion":"portreeve/v1","kind":"Settings","metadata":{"name""#));
        assert_eq!(serde_json::from_str::<Object>(&text).expect("an object"), object);
    }
}

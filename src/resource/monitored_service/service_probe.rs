//! A probe as a service writes it: the name of a Probe, or a Probe's spec with a name of its own.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer, forward_to_deserialize_any};
use serde_json::{Value, json};

use crate::resource::probe::{HANDLERS, ProbeSpec};
use crate::resource::schema::one_of;

/// One probe of a service.
#[derive(Clone, Debug, PartialEq)]
pub enum ServiceProbe {
    /// `probeRef`: the Probe of this name.
    Reference(String),
    /// A probe that only this service has.
    Inline {
        /// What it is called.
        name: String,
        /// What it does.
        spec: Box<ProbeSpec>,
    },
}

impl ServiceProbe {
    /// What the probe is called within its service.
    pub fn name(&self) -> &str {
        match self {
            Self::Reference(name) | Self::Inline { name, .. } => name,
        }
    }

    /// Its spec, where that stands here.
    pub fn inline(&self) -> Option<&ProbeSpec> {
        match self {
            Self::Reference(_) => None,
            Self::Inline { spec, .. } => Some(spec),
        }
    }
}

impl Serialize for ServiceProbe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Written<'a> {
            Reference {
                #[serde(rename = "probeRef")]
                name: &'a str,
            },
            Inline {
                name: &'a str,
                #[serde(flatten)]
                spec: &'a ProbeSpec,
            },
        }
        let written = match self {
            Self::Reference(name) => Written::Reference { name },
            Self::Inline { name, spec } => Written::Inline { name, spec },
        };
        written.serialize(serializer)
    }
}

/// By hand: `flatten` would lose the places of faults and the refusal of unknown fields.
impl<'de> Deserialize<'de> for ServiceProbe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ProbeVisitor)
    }
}

struct ProbeVisitor;

impl<'de> Visitor<'de> for ProbeVisitor {
    type Value = ServiceProbe;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServiceProbe, A::Error> {
        let mut own = Own::default();
        let spec = ProbeSpec::deserialize(Rest { map, own: &mut own, fields: &[] })?;
        match own {
            Own { probe_ref: Some(name), name: None, others: false } => Ok(ServiceProbe::Reference(name)),
            Own { probe_ref: Some(_), .. } => Err(Error::custom("no other field is given with probeRef")),
            Own { name: Some(name), .. } => Ok(ServiceProbe::Inline { name, spec: Box::new(spec) }),
            Own { name: None, .. } => Err(Error::missing_field("name")),
        }
    }
}

/// The fields beside those of a Probe's spec.
#[derive(Default)]
struct Own {
    probe_ref: Option<String>,
    name: Option<String>,
    /// Whether there is any field of the spec.
    others: bool,
}

/// A mapping without [`Own`]'s fields, which it keeps.
struct Rest<'o, A> {
    map: A,
    own: &'o mut Own,
    fields: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(Self { fields, ..self })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            match key.as_str() {
                "probeRef" => self.own.probe_ref = Some(self.map.next_value()?),
                "name" => self.own.name = Some(self.map.next_value()?),
                other if self.fields.contains(&other) => {
                    self.own.others = true;
                    return seed.deserialize(key.into_deserializer()).map(Some);
                }
                other => {
                    let known: Vec<String> = ["probeRef", "name"]
                        .iter()
                        .chain(self.fields)
                        .map(|field| format!("`{field}`"))
                        .collect();
                    let message = format!("unknown field `{other}`, expected one of {}", known.join(", "));
                    return Err(Error::custom(message));
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

impl JsonSchema for ServiceProbe {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServiceProbe".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = json!({
            "probeRef": {
                "description": "Name of a Probe. No other field is given with it.",
                "type": "string",
            },
            "name": {
                "description": "Name of an inline probe, unique within the service.",
                "type": "string",
                "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
                "minLength": 1,
                "maxLength": 253,
            },
        });
        let mut spec = ProbeSpec::json_schema(generator);
        if let (Some(own), Some(Value::Object(fields))) =
            (properties.as_object_mut(), spec.remove("properties"))
        {
            own.extend(fields);
        }
        json_schema!({
            "description": "A probe of a service: the name of a Probe, or the spec of a Probe with a name.",
            "type": "object",
            "additionalProperties": false,
            "properties": properties,
            "oneOf": [
                {"required": ["probeRef"], "maxProperties": 1},
                {"required": ["name"], "properties": {"probeRef": false}, "oneOf": one_of(HANDLERS)},
            ],
        })
    }
}

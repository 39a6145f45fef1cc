//! Quantities of CPU and memory, as Docker and Kubernetes write them.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// CPUs in thousandths: `"0.5"`, `500m`, `2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(u64);

/// Bytes: `256m` and `1g` count in 1024 as Docker does, `256Mi` and `1Gi` as Kubernetes does; both mean the same.
///
/// `256M` is refused: it is 256 MiB to Docker and 256 million to Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(u64);

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number of CPUs that can be given.
    #[error("{0:?} is not an amount of CPU: write \"0.5\", \"500m\" or \"2\", in steps of a thousandth")]
    Cpu(String),
    /// Not an amount of memory.
    #[error(
        "{0:?} is not an amount of memory: write a number and a unit, such as \"256m\", \"1g\" or \"256Mi\""
    )]
    Memory(String),
    /// A unit that means different things to Docker and Kubernetes.
    #[error(
        "{text:?} is unclear: Docker and Kubernetes mean different things by it; write \"{number}{unit}\""
    )]
    Unclear {
        /// What was written.
        text: String,
        /// The number in it.
        number: String,
        /// The unit Docker would take it for.
        unit: char,
    },
}

const UNITS: [(&str, u32); 9] =
    [("b", 0), ("k", 10), ("Ki", 10), ("m", 20), ("Mi", 20), ("g", 30), ("Gi", 30), ("t", 40), ("Ti", 40)];
/// More than any machine has.
const MOST_MILLIS: u64 = 1_000_000_000;

impl Cpu {
    /// So many thousandths of a CPU.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Thousandths of a CPU.
    pub const fn millis(self) -> u64 {
        self.0
    }
}

impl Memory {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// `text` as a whole number of `unit`ths: what is left over is dropped in favour of `None` only if `exact`.
fn scaled(text: &str, unit: u64, exact: bool) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |part: &str| !part.is_empty() && part.len() <= 18 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let of = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let value = (whole.parse::<u128>().ok()? * of + fraction.parse::<u128>().ok()?) * u128::from(unit);
    if exact && value % of != 0 { None } else { u64::try_from(value / of).ok() }
}

impl FromStr for Cpu {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millis = match text.strip_suffix('m') {
            Some(millis) => scaled(millis, 1, true),
            None => scaled(text, 1_000, true),
        };
        millis
            .filter(|millis| *millis <= MOST_MILLIS)
            .map(Self)
            .ok_or_else(|| QuantityError::Cpu(text.chars().take(32).collect()))
    }
}

impl FromStr for Memory {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || QuantityError::Memory(text.chars().take(32).collect());
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).ok_or_else(error)?;
        let (number, unit) = text.split_at(end);
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        match known {
            Some((_, bits)) => scaled(number, 1 << bits, false).map(Self).ok_or_else(error),
            None => Err(match unit {
                "K" | "M" | "G" | "T" if scaled(number, 1, false).is_some() => QuantityError::Unclear {
                    text: text.chars().take(32).collect(),
                    number: number.to_owned(),
                    unit: unit.chars().next().map_or('m', |unit| unit.to_ascii_lowercase()),
                },
                _ => error(),
            }),
        }
    }
}

/// The shortest decimal, as CONTRACTS.md §1 has it: `0.5`, `2`.
impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000, self.0 % 1_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let rest = format!("{rest:03}");
        write!(f, "{whole}.{}", rest.trim_end_matches('0'))
    }
}

/// In the largest of Docker's units that leaves nothing over: `256m`, `1g`, `1000b`.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = UNITS.iter().rev().filter(|(name, _)| name.len() == 1);
        let fits = |bits: u32| self.0 != 0 && self.0.is_multiple_of(1 << bits);
        let (name, bits) = units.copied().find(|(_, bits)| fits(*bits)).unwrap_or(("b", 0));
        write!(f, "{}{name}", self.0 >> bits)
    }
}

impl Serialize for Cpu {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CpuVisitor)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemoryVisitor)
    }
}

struct CpuVisitor;

impl serde::de::Visitor<'_> for CpuVisitor {
    type Value = Cpu;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of CPU such as \"0.5\" or \"500m\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Cpu, E> {
        text.parse().map_err(E::custom)
    }

    // A number needs no unit here, and people leave out the quotes.
    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Cpu, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Cpu, E> {
        self.visit_str(&number.to_string())
    }
}

struct MemoryVisitor;

impl serde::de::Visitor<'_> for MemoryVisitor {
    type Value = Memory;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of memory such as \"256m\", \"1g\" or \"256Mi\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Memory, E> {
        text.parse().map_err(E::custom)
    }

    // A number without a unit gets the same answer as a text without one.
    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Memory, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for Cpu {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cpu".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "minimum": 0,
            "maximum": MOST_MILLIS / 1_000,
            "pattern": "^([0-9]{1,10}m|[0-9]{1,7}(\\.[0-9]{1,3}0*)?)$",
            "examples": ["0.5", "500m", "2"]
        })
    }
}

impl JsonSchema for Memory {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Memory".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]{1,18}(\\.[0-9]{1,9})?([bkmgt]|[KMGT]i)$",
            "examples": ["256m", "1g", "256Mi"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_in_thousandths_and_written_as_the_shortest_decimal() {
        for (text, millis, canonical) in [
            ("0.5", 500, "0.5"),
            ("500m", 500, "0.5"),
            ("2", 2_000, "2"),
            ("1.250", 1_250, "1.25"),
            ("0.001", 1, "0.001"),
            ("1500m", 1_500, "1.5"),
            ("0", 0, "0"),
        ] {
            let cpu: Cpu = text.parse().expect(text);
            assert_eq!(cpu, Cpu::from_millis(millis), "{text}");
            assert_eq!(cpu.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(cpu));
        }
        for bad in
            ["", "m", ".5", "5.", "-1", "+1", "0.0005", "0.5m", "1k", "1e3", "half", "99999999999999999999"]
        {
            assert!(bad.parse::<Cpu>().is_err(), "{bad}");
        }
        assert_eq!(serde_json::from_str::<Cpu>("0.5").expect("a number"), Cpu::from_millis(500));
        assert_eq!(serde_json::from_str::<Cpu>("2").expect("a number"), Cpu::from_millis(2_000));
    }

    #[test]
    fn memory_counts_in_1024_whichever_way_it_is_written() {
        for (text, bytes, canonical) in [
            ("256m", 256 << 20, "256m"),
            ("256Mi", 256 << 20, "256m"),
            ("1g", 1 << 30, "1g"),
            ("1.5g", 3 << 29, "1536m"),
            ("1024k", 1 << 20, "1m"),
            ("1000b", 1_000, "1000b"),
            ("1Ti", 1 << 40, "1t"),
            ("0b", 0, "0b"),
        ] {
            let memory: Memory = text.parse().expect(text);
            assert_eq!(memory, Memory::from_bytes(bytes), "{text}");
            assert_eq!(memory.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(memory));
        }
        for bad in ["", "256", "m", "-1m", "1e3m", "1 g", "1mb", "1MiB", "9999999999999999999g", "99999999g9"]
        {
            assert!(bad.parse::<Memory>().is_err(), "{bad}");
        }
        let unclear = "256M".parse::<Memory>().expect_err("unclear").to_string();
        assert!(unclear.ends_with("write \"256m\""), "{unclear}");
    }
}

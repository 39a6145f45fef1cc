//! Path → position. The parser tells positions only with errors, so the document is read once more, and reading fails
//! on purpose where the path ends.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fault::At;
use crate::resource::Segment;

/// What is looked for at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The key that the last step names.
    Key,
    /// The value.
    Value,
}

/// Where in the document `text` the value at `path`, or its key, starts; `None` if there is none.
pub(super) fn locate(text: &str, path: &[Segment], part: Part) -> Option<At> {
    let found = Cell::new(false);
    let seed = Walk { path, part, found: &found };
    let error = seed.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    let place = error.location().filter(|_| found.get())?;
    Some(At { line: place.line(), column: place.column() })
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    path: &'a [Segment],
    part: Part,
    found: &'a Cell<bool>,
}

impl Walk<'_> {
    /// Fails, so that the parser says where it is.
    fn stop<T, E: de::Error>(self) -> Result<T, E> {
        self.found.set(true);
        Err(E::custom("here"))
    }

    fn scalar<E: de::Error>(self) -> Result<(), E> {
        if self.path.is_empty() { self.stop() } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.path.split_first() else { return self.stop() };
        let mut index = 0;
        loop {
            let more = if *step == Segment::Index(index) {
                items.next_element_seed(Walk { path: rest, ..self })?.is_some()
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.path.split_first() else { return self.stop() };
        let Segment::Key(wanted) = step else { return self.ignore(entries) };
        let stops = rest.is_empty() && self.part == Part::Key;
        while let Some(here) = entries.next_key_seed(IsKey { wanted, stops: stops.then_some(self) })? {
            if here {
                entries.next_value_seed(Walk { path: rest, ..self })?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl Walk<'_> {
    fn ignore<'de, A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Reads a key: is it the wanted one?
struct IsKey<'a> {
    wanted: &'a str,
    stops: Option<Walk<'a>>,
}

impl<'de> DeserializeSeed<'de> for IsKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match self.stops {
            Some(walk) if key == self.wanted => walk.stop(),
            _ => Ok(key == self.wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::FieldPath;

    #[test]
    fn keys_and_values_are_found_through_lists_flow_style_and_aliases() {
        let text = "---\na: &x {b: [1, {c: two}]}\nd:\n  e: |\n    text\nf: *x\n";
        let path = |steps: &[&str]| -> FieldPath {
            let step =
                |step: &&str| step.parse().map_or_else(|_| Segment::Key((*step).to_owned()), Segment::Index);
            steps.iter().map(step).collect()
        };
        for (steps, key, value) in [
            (&["a"][..], Some((2, 1)), Some((2, 4))),
            (&["a", "b"], Some((2, 8)), Some((2, 11))),
            (&["a", "b", "0"], None, Some((2, 12))),
            (&["a", "b", "1", "c"], Some((2, 16)), Some((2, 19))),
            (&["d", "e"], Some((4, 3)), Some((4, 6))),
            (&["f", "b"], Some((2, 8)), Some((2, 11))),
            (&["a", "z"], None, None),
            (&["a", "b", "9"], None, None),
            (&["d", "e", "x"], None, None),
        ] {
            let path = path(steps);
            let at = |part| locate(text, path.segments(), part).map(|at| (at.line, at.column));
            if key.is_some() || value.is_none() {
                assert_eq!(at(Part::Key), key, "key of {path}");
            }
            assert_eq!(at(Part::Value), value, "value of {path}");
        }
    }
}

//! The parts that the world's history falls into.

use std::fmt;
use std::sync::Arc;

/// One engine, or all that is of none: what is committed belongs to one of these, has one writer there, and fails there
/// alone. Events are numbered within their shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shard {
    /// What spans engines: services, objects, Portreeve itself.
    Fleet,
    /// An engine, by the name of its DockerHost.
    Engine(Arc<str>),
}

/// The words as they are stored. An engine may be called `fleet`.
const FLEET: &str = "fleet";
const ENGINE: &str = "engine/";

impl Shard {
    /// The shard of an engine; of none, or of one without a name, the fleet's.
    pub fn of(engine: Option<&str>) -> Self {
        engine
            .filter(|engine| !engine.is_empty())
            .map_or(Self::Fleet, |engine| Self::Engine(Arc::from(engine)))
    }

    /// The shard that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(ENGINE) {
            Some("") => None,
            Some(engine) => Some(Self::Engine(Arc::from(engine))),
            None => (text == FLEET).then_some(Self::Fleet),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fleet => f.write_str(FLEET),
            Self::Engine(engine) => write!(f, "{ENGINE}{engine}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_read_as_it_is_written_whatever_the_engine_is_called() {
        for engine in [None, Some("local"), Some("fleet"), Some("engine/x")] {
            let shard = Shard::of(engine);
            assert_eq!(Shard::parse(&shard.to_string()), Some(shard));
        }
        assert_ne!(Shard::of(Some("fleet")).to_string(), Shard::Fleet.to_string());
        for text in ["", "engine/", "engine", "local"] {
            assert_eq!(Shard::parse(text), None, "{text}");
        }
    }
}

//! What is reconciled.

use std::fmt;
use std::sync::Arc;

use crate::observed::{ContainerKey, Shard};

macro_rules! define {
    ($(
        $(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])?
        $name:ident($id:ty), $field:ident, |$key:pat_param| $shard:expr, $reconciler:path;
    )+) => {
        /// One thing that is reconciled by itself: the same key never twice at once, different keys side by side.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Key {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $name($id),)+
        }

        impl Key {
            /// Where its work is done and committed.
            pub(super) fn shard(&self) -> Shard {
                match self {
                    $($(#[cfg($cfg)])? Self::$name($key) => $shard,)+
                }
            }

            /// The kind's name, for metrics.
            pub(super) const fn kind(&self) -> &'static str {
                match self {
                    $($(#[cfg($cfg)])? Self::$name(_) => stringify!($field),)+
                }
            }
        }

        impl fmt::Display for Key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($(#[cfg($cfg)])? Self::$name(key) => write!(f, "{} {key}", self.kind()),)+
                }
            }
        }
    };
}

kinds!(define);

impl Key {
    /// A service.
    pub(super) fn service(name: &str) -> Self {
        Self::Service(name.into())
    }

    /// The container, if it is one.
    pub(super) const fn container(&self) -> Option<&ContainerKey> {
        if let Self::Container(key) = self { Some(key) } else { None }
    }
}

impl From<ContainerKey> for Key {
    fn from(key: ContainerKey) -> Self {
        Self::Container(key)
    }
}

impl From<&ContainerKey> for Key {
    fn from(key: &ContainerKey) -> Self {
        Self::Container(key.clone())
    }
}

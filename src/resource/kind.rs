//! What a spec says about its kind.

use super::check::Check;

/// What a spec says about its kind.
pub trait Kind {
    /// The name written after `kind:`.
    const KIND: &'static str;
    /// The name of the collection, in lower case.
    const PLURAL: &'static str;
    /// Short names for the command line.
    const SHORT: &'static [&'static str];
    /// One sentence on what it is for.
    const DOC: &'static str;
    /// The name of the only object of this kind, where there can be but one.
    const ONLY: Option<&'static str> = None;

    /// Says what is wrong with the spec beyond types, and which objects it names.
    fn validate(&self, check: &mut Check);
}

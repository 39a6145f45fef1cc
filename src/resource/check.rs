//! Validation beyond types: what is wrong with a value, and where.

use std::ops::RangeInclusive;

mod address;
mod url;

pub use self::address::is_forbidden;
use self::address::names_forbidden;
pub use self::url::{UrlFault, holds_secret, http_url, is_secret_name, may_hold_secret};
use super::path::{FieldPath, Segment};
use super::secret::policy::{Named, Source};
use super::{Duration, KindId};

/// One thing wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The value that is wrong.
    pub path: FieldPath,
    /// What is wrong and what to write instead; never holds a secret.
    pub message: String,
    /// Whether the value may be a secret, so that the line it stands in must not be shown as it is.
    pub secret: bool,
}

/// Something that is allowed and most likely not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The value that is meant.
    pub path: FieldPath,
    /// What is odd about it; never holds a secret.
    pub message: String,
}

/// A mention of another object by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where the name stands.
    pub path: FieldPath,
    /// The kind meant.
    pub kind: KindId,
    /// The name meant.
    pub name: String,
}

/// What a look at an object found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is wrong.
    pub violations: Vec<Violation>,
    /// Which other objects it names.
    pub references: Vec<Reference>,
    /// What is odd.
    pub warnings: Vec<Warning>,
    /// Which variables and files it names; not every object may name every one.
    pub named: Vec<Named>,
}

/// Collects what is found while walking an object; knows where it is.
#[derive(Debug, Default)]
pub struct Check {
    path: FieldPath,
    findings: Findings,
}

impl Check {
    /// A check that starts at the document's root.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the value of `key`.
    pub fn field(&mut self, key: &str, look: impl FnOnce(&mut Self)) {
        self.step(Segment::Key(key.to_owned()), look);
    }

    /// Looks at each item of the list under `key`.
    pub fn each<'t, T>(&mut self, key: &str, items: &'t [T], mut look: impl FnMut(&mut Self, &'t T)) {
        self.field(key, |check| {
            for (index, item) in items.iter().enumerate() {
                check.step(Segment::Index(index), |check| look(check, item));
            }
        });
    }

    fn step(&mut self, segment: Segment, look: impl FnOnce(&mut Self)) {
        self.path.push(segment);
        look(self);
        self.path.pop();
    }

    /// Says that the value looked at is wrong.
    pub fn refuse(&mut self, message: impl Into<String>) {
        self.findings.violations.push(Violation {
            path: self.path.clone(),
            message: message.into(),
            secret: false,
        });
    }

    /// Says that the value looked at is wrong, and that it may be a secret.
    pub fn refuse_secret(&mut self, message: impl Into<String>) {
        self.findings.violations.push(Violation {
            path: self.path.clone(),
            message: message.into(),
            secret: true,
        });
    }

    /// Says that the value looked at is most likely not what was meant.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.findings.warnings.push(Warning { path: self.path.clone(), message: message.into() });
    }

    /// Exactly one of these fields must be given. `what` they are, in one word.
    pub fn exactly_one(&mut self, what: &str, fields: &[(&str, bool)]) {
        let given: Vec<&str> = fields.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        match given.as_slice() {
            [_] => {}
            [] => {
                let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
                self.refuse(format!("give exactly one {what}: {}", names.join(", ")));
            }
            several => self.refuse(format!("give exactly one {what}, not {}", several.join(" and "))),
        }
    }

    /// Notes that the value looked at names another object, to be resolved when all objects are known.
    pub fn refer(&mut self, kind: KindId, name: &str) {
        let reference = Reference { path: self.path.clone(), kind, name: name.to_owned() };
        self.findings.references.push(reference);
    }

    /// Notes that the value looked at names something outside the document.
    pub fn names(&mut self, source: Source) {
        self.findings.named.push(Named { path: self.path.clone(), source });
    }

    /// The value of `key` must be the path of a file.
    pub fn file(&mut self, key: &str, path: &str) {
        self.filled(key, path);
        if path.contains('\0') {
            self.field(key, |check| check.refuse("is not the path of a file"));
        }
        self.field(key, |check| check.names(Source::File(path.to_owned())));
    }

    /// The value of `key` must be longer than no time.
    pub fn positive(&mut self, key: &str, duration: Duration) {
        if duration.is_zero() {
            self.field(key, |check| check.refuse("must be longer than 0s"));
        }
    }

    /// The value of `key` must lie in `range`.
    pub fn within<T: PartialOrd + std::fmt::Display>(
        &mut self,
        key: &str,
        value: T,
        range: RangeInclusive<T>,
    ) {
        if !range.contains(&value) {
            let message = format!("{value} is out of range: {} to {}", range.start(), range.end());
            self.field(key, |check| check.refuse(message));
        }
    }

    /// The value of `key` must hold something.
    pub fn filled(&mut self, key: &str, text: &str) {
        if text.trim().is_empty() {
            self.field(key, |check| check.refuse("must not be empty"));
        }
    }

    /// The value of `key` must hold between 1 and `most` bytes.
    pub fn bounded(&mut self, key: &str, text: &str, most: usize) {
        self.filled(key, text);
        if text.len() > most {
            self.field(key, |check| check.refuse(format!("is longer than {most} bytes")));
        }
    }

    /// The value of `key`, where given, must be a port.
    pub fn port(&mut self, key: &str, port: impl Into<Option<u16>>) {
        if let Some(port) = port.into() {
            self.within(key, port, 1..=u16::MAX);
        }
    }

    /// No two items of the list under `key` may be the same.
    pub fn distinct<T: Ord + std::fmt::Display>(&mut self, key: &str, items: &[T]) {
        let mut seen = std::collections::BTreeSet::new();
        self.each(key, items, |check, item| {
            if !seen.insert(item) {
                check.refuse(format!("`{item}` is given twice"));
            }
        });
    }

    /// The value of `key` must be the base URL of an HTTP service, without a secret in it.
    pub fn base_url(&mut self, key: &str, text: &str) {
        if let Err(fault) = http_url(text) {
            self.field(key, |check| check.refuse_url(text, fault.to_string()));
        }
        self.url_host(key, text);
    }

    /// Warns where the host of the URL under `key` is an address that nothing is sent to.
    pub fn url_host(&mut self, key: &str, text: &str) {
        let url = ::url::Url::parse(text).ok();
        if let Some(host) = url.as_ref().and_then(::url::Url::host_str) {
            self.host(key, host);
        }
    }

    /// Warns where the host under `key` is an address that nothing is sent to.
    pub fn host(&mut self, key: &str, host: &str) {
        if names_forbidden(host) {
            let why = format!(
                "{host} is a link-local, unspecified or metadata address: Portreeve does not connect to it, except with \
                --allow-address"
            );
            self.field(key, |check| check.warn(why));
        }
    }

    /// Says that the URL looked at is wrong. It is not shown if there may be a secret in it.
    pub fn refuse_url(&mut self, text: &str, message: String) {
        if url::may_hold_secret(text) { self.refuse_secret(message) } else { self.refuse(message) }
    }

    /// What was found.
    pub fn finish(self) -> Findings {
        self.findings
    }
}

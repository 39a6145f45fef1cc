//! The second reading of a document: plain values → an object of its kind. Every fault is reported, not only the first: a
//! wrong type hides nothing that is wrong elsewhere.

use serde::de::Deserialize;
use serde_json::{Map, Value};
use serde_path_to_error::{Deserializer, Segment as Step, Track};

use super::fault::{Fault, from_serde, hint, shown};
use super::strict::Strict;
use crate::resource::check::{Findings, Reference, Violation, Warning};
use crate::resource::secret::policy::{Named, Trust};
use crate::resource::{
    API_VERSION, FieldPath, KindId, Metadata, Object, ObjectKey, Origin, Segment, Spec, Status,
};

/// How many faults of one part are looked for.
const MOST_FAULTS: usize = 20;

const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// What a good document says.
pub(super) struct Declared {
    pub(super) object: Object,
    pub(super) references: Vec<Reference>,
    pub(super) warnings: Vec<Warning>,
    pub(super) named: Vec<Named>,
}

/// What is known of a document that has faults.
#[derive(Default)]
pub(super) struct Faulty {
    pub(super) faults: Vec<Fault>,
    /// The object that it would declare, as far as its kind and name can be read.
    pub(super) key: Option<ObjectKey>,
    /// What that refers to, as far as it can be read.
    pub(super) references: Vec<Reference>,
}

/// The object that a document declares, what it refers to and what is odd about it.
pub(super) fn object(document: &Value, origin: Origin) -> Result<Declared, Faulty> {
    let root = FieldPath::root();
    let Value::Object(fields) = document else {
        let fault = Fault::value(root, format!("a document is a mapping of {}", FIELDS.join(", ")));
        return Err(Faulty { faults: vec![fault], ..Faulty::default() });
    };
    let mut faults: Vec<Fault> = fields
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .take(MOST_FAULTS)
        .map(|name| Fault::unknown_field(&root, name, &FIELDS))
        .collect();
    api_version(fields, &mut faults);
    let kind = kind(fields, &mut faults);
    let name = document.pointer("/metadata/name").and_then(Value::as_str);
    let key = kind.zip(name).map(|(kind, name)| ObjectKey { kind, name: name.to_owned() });
    // What has a fault of its own already, so that nothing is said of it twice.
    let mut taken = Vec::new();
    let metadata = part(fields, "metadata", &mut faults, &mut taken, |track, value| {
        Metadata::deserialize(Deserializer::new(Strict(value), track))
    });
    let spec = kind.and_then(|kind| {
        part(fields, "spec", &mut faults, &mut taken, |track, value| {
            Spec::deserialize(kind, Deserializer::new(Strict(value), track))
        })
    });
    if let Some(status) = fields.get("status")
        && !status.is_object()
        && !status.is_null()
    {
        faults.push(Fault::top("status", "status is written by Portreeve: leave it out".to_owned()));
    }
    let (metadata, spec) = match (metadata, spec) {
        (Some(metadata), Some(spec)) => (metadata, spec),
        // A name that cannot be read hides nothing that is wrong below.
        (None, Some(spec)) => {
            taken.push(root.key("metadata"));
            (Metadata { name: "unnamed".to_owned(), ..Metadata::default() }, spec)
        }
        (_, None) => return Err(Faulty { faults, key, references: Vec::new() }),
    };
    // What Portreeve writes about an object is accepted in a file and does not count.
    let Metadata { name, labels, annotations, .. } = metadata;
    let metadata = Metadata { name, labels, annotations, origin: Some(origin), ..Metadata::default() };
    let given = fields.get("spec").and_then(Value::as_object).map(|spec| spec.keys().cloned().collect());
    let (status, given) = (Status::default(), given.unwrap_or_default());
    let object = Object { metadata, spec, status, given, trust: Trust::default() };
    let Findings { violations, references, warnings, named } = object.validate();
    if violations.is_empty() && faults.is_empty() {
        return Ok(Declared { object, references, warnings, named });
    }
    let fault = |Violation { path, message, secret }| {
        let mut fault = Fault::value(path, message);
        fault.secret |= secret;
        fault
    };
    let apart = |violation: &Violation| !taken.iter().any(|taken| related(taken, &violation.path));
    faults.extend(violations.into_iter().filter(apart).take(MOST_FAULTS).map(fault));
    Err(Faulty { faults, key, references })
}

/// Whether one of two fields is the other, or holds it: what is said of a mapping may only be due to a field that was taken
/// out of it.
fn related(one: &FieldPath, other: &FieldPath) -> bool {
    one.segments().starts_with(other.segments()) || other.segments().starts_with(one.segments())
}

fn missing(name: &str) -> Fault {
    Fault::missing_field(FieldPath::root(), name)
}

fn api_version(fields: &Map<String, Value>, faults: &mut Vec<Fault>) {
    match fields.get("apiVersion") {
        None => faults.push(missing("apiVersion")),
        Some(Value::String(version)) if version == API_VERSION => {}
        Some(_) => {
            let message = format!("apiVersion must be {API_VERSION}");
            faults.push(Fault::top("apiVersion", message));
        }
    }
}

fn kind(fields: &Map<String, Value>, faults: &mut Vec<Fault>) -> Option<KindId> {
    match fields.get("kind") {
        None => faults.push(missing("kind")),
        Some(Value::String(name)) => {
            if let Some(kind) = KindId::of(name) {
                return Some(kind);
            }
            let known: Vec<_> = KindId::ALL.iter().map(|kind| kind.as_str()).collect();
            faults.push(Fault::top("kind", format!("unknown kind `{}`{}", shown(name), hint(name, &known))));
        }
        Some(_) => faults.push(Fault::top("kind", "kind must be the name of a kind".to_owned())),
    }
    None
}

/// Reads one part with its type. A faulty field is taken out and the rest read again, so that one fault does not hide
/// the next.
fn part<T>(
    fields: &Map<String, Value>,
    name: &str,
    faults: &mut Vec<Fault>,
    taken: &mut Vec<FieldPath>,
    read: impl Fn(&mut Track, &Value) -> Result<T, serde_json::Error>,
) -> Option<T> {
    let Some(written) = fields.get(name) else {
        faults.push(missing(name));
        return None;
    };
    let base = FieldPath::root().key(name);
    let mut rest = written.clone();
    let mut removed: Vec<FieldPath> = Vec::new();
    loop {
        let mut track = Track::new();
        let error = match read(&mut track, &rest) {
            Ok(value) => {
                let whole =
                    |path: &FieldPath| base.segments().iter().chain(path.segments()).cloned().collect();
                taken.extend(removed.iter().map(whole));
                return Some(value);
            }
            Err(error) => error.to_string(),
        };
        let steps: FieldPath = track.path().iter().filter_map(segment).collect();
        let required = error.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        if let Some(field) = required
            && (removed.contains(&steps.key(field)) || faults.iter().any(|fault| fault.suggests(field)))
        {
            // It is there, with a fault of its own.
            return None;
        }
        let path = base.segments().iter().chain(steps.segments()).cloned().collect();
        faults.push(from_serde(path, &error, at(&rest, &steps)));
        // Without a field that must be there a mapping further down is left out, and nothing can be read of the part itself.
        let out = take_out(&mut rest, &steps);
        match out {
            Some(out) if removed.len() < MOST_FAULTS => removed.push(out),
            _ => return None,
        }
    }
}

fn segment(step: &Step) -> Option<Segment> {
    match step {
        Step::Seq { index } => Some(Segment::Index(*index)),
        Step::Map { key } => Some(Segment::Key(key.clone())),
        // A variant is a word, not a place, and what serde cannot name we cannot find.
        Step::Enum { .. } | Step::Unknown => None,
    }
}

fn at<'v>(value: &'v Value, path: &FieldPath) -> Option<&'v Value> {
    path.segments().iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}

/// Removes the field at `path`, or the list it is in: an item taken out would shift the places of those after it.
fn take_out(value: &mut Value, path: &FieldPath) -> Option<FieldPath> {
    let whole = path.segments().iter().take_while(|segment| matches!(segment, Segment::Key(_)));
    let path: FieldPath = whole.cloned().collect();
    let (last, above) = path.segments().split_last()?;
    let Segment::Key(key) = last else { return None };
    let mut map = value;
    for segment in above {
        let Segment::Key(key) = segment else { return None };
        map = map.get_mut(key)?;
    }
    map.as_object_mut()?.remove(key).map(|_| path.clone())
}

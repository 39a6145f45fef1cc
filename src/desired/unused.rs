//! Objects that are good and have no effect, because nothing leads to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::resource::check::{Findings, Reference};
use crate::resource::{Object, ObjectKey, Selector, Spec};

/// Why an object has no effect, for each that has none: it selects nothing, and nothing refers to it.
pub(super) fn unused(objects: &[Object], findings: &[Findings]) -> BTreeMap<ObjectKey, &'static str> {
    let references = findings.iter().flat_map(|findings| &findings.references);
    let referred: BTreeSet<(crate::resource::KindId, &str)> =
        references.map(|Reference { kind, name, .. }| (*kind, name.as_str())).collect();
    let reason = |object: &Object| match &object.spec {
        Spec::AutohealPolicy(spec) if spec.selector.is_empty() => {
            Some("selects no container, and no MonitoredService refers to it")
        }
        Spec::NotificationSink(spec) if spec.selector.as_ref().is_none_or(Selector::is_empty) => {
            Some("selects no container, and nothing refers to it: it gets no events")
        }
        _ => None,
    };
    objects
        .iter()
        .filter(|object| !referred.contains(&(object.spec.kind(), object.metadata.name.as_str())))
        .filter_map(|object| reason(object).map(|reason| (object.key(), reason)))
        .collect()
}

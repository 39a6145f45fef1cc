//! Probes with secrets that not every service may use. A service says where its probes ask: one that strangers may write and
//! that refers to a Probe with root's secret would have it sent to wherever it likes.

use std::collections::BTreeSet;

use crate::manifest::{LoadedSet, Problem};
use crate::resource::check::{Findings, Reference};
use crate::resource::secret::policy::{SecretPolicy, Trust};
use crate::resource::{KindId, Object};

/// The names of such Probes.
#[derive(Clone, Debug, Default)]
pub(super) struct Private(BTreeSet<String>);

impl Private {
    /// Those among `objects`, of which `findings` were found in their order.
    pub(super) fn of<'o>(
        objects: impl IntoIterator<Item = (&'o Object, &'o Findings)>,
        policy: &SecretPolicy,
    ) -> Self {
        let private = |(object, findings): (&Object, &Findings)| {
            let private =
                object.spec.kind() == KindId::Probe && policy.refused(&findings.named).next().is_some();
            private.then(|| object.metadata.name.clone())
        };
        Self(objects.into_iter().filter_map(private).collect())
    }

    /// Whether a service of this trust may not use the Probe of this name.
    pub(super) fn keeps(&self, probe: &str, trust: Trust) -> bool {
        trust == Trust::Restricted && self.0.contains(probe)
    }

    /// Why `object` may not refer to what it refers to, if it may not.
    pub(super) fn refuses(&self, object: &Object, reference: &Reference) -> Option<String> {
        let Reference { path, kind, name } = reference;
        (*kind == KindId::Probe && self.keeps(name, object.trust)).then(|| {
            format!(
                "{path}: the Probe `{name}` names a secret that only services from a directory that only root or \
                Portreeve's user can write may use"
            )
        })
    }

    /// A problem for each such reference in the directories.
    pub(super) fn problems(&self, set: &LoadedSet) -> Vec<Problem> {
        let of = |loaded: &crate::manifest::Loaded| {
            let refused = loaded.references.iter().filter_map(|(reference, place)| {
                Some(place.problem(&self.refuses(&loaded.object, reference)?))
            });
            refused.collect::<Vec<_>>()
        };
        set.objects.iter().flat_map(of).collect()
    }
}

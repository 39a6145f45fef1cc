//! The reconcilers, found by the kind of a key.

use std::sync::Arc;

use super::commit::Journal;
use super::key::Key;
use super::parts::Parts;
use super::plan::Plan;
use super::reconcile::{Reconcile, Trouble};
use super::work::Work;
use crate::store::ChangeSet;

macro_rules! define {
    ($(
        $(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])?
        $name:ident($id:ty), $field:ident, |$key:pat_param| $shard:expr, $reconciler:path;
    )+) => {
        /// One of each kind.
        pub(super) struct Reconcilers {
            $($(#[cfg($cfg)])? $field: $reconciler,)+
        }

        impl Reconcilers {
            pub(super) fn new(parts: &Arc<Parts>, journal: &Journal) -> Self {
                Self { $($(#[cfg($cfg)])? $field: <$reconciler>::new(parts, journal),)+ }
            }

            /// See [`Reconcile::plan`].
            pub(super) async fn plan(&self, key: &Key, work: &Work) -> Result<Plan, Trouble> {
                match key {
                    $($(#[cfg($cfg)])? Key::$name(id) => self.$field.plan(id, work).await,)+
                }
            }

            /// See [`Reconcile::let_go`].
            pub(super) fn let_go(&self, key: &Key, work: &Work, trouble: &Trouble) -> Option<ChangeSet> {
                match key {
                    $($(#[cfg($cfg)])? Key::$name(id) => self.$field.let_go(id, work, trouble),)+
                }
            }
        }
    };
}

kinds!(define);

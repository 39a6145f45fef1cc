//! Containers, and every change of what the API shows of them.
//!
//! A line carries the id of the revision that its change made, so that whoever was told it goes on after it. The lines of a
//! comparison carry the id before it, and the bookmark that follows them carries the id after it: one who goes on in the midst of
//! them is told all of them. Only the very first lines, of what is there, carry the id after it: to be used once the bookmark came.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use metrics::counter;
use serde_json::json;
use tokio::sync::watch;

use super::row::{item, row};
use crate::api::Api;
use crate::api::label_selector::LabelSelector;
use crate::api::watching::{Source, WatchLines, Word};
use crate::catalogue::Outputs;
use crate::controller::{ChangesMissed, RowChange};
use crate::observed::{Container, ContainerKey, World};

/// So many containers are looked at in one go.
const STEP: usize = 64;

/// See the module's documentation.
pub(super) struct ContainerChanges {
    api: Api,
    selector: LabelSelector,
    outputs: Outputs,
    told: watch::Receiver<()>,
    /// Everything up to this revision is told.
    revision: u64,
    known: BTreeMap<ContainerKey, Told>,
    /// Containers to be looked at, each with the revision that its line carries.
    waiting: VecDeque<(u64, ContainerKey)>,
    /// Everything up to this revision is told once nothing waits.
    ahead: u64,
    /// Whether that is to be said then.
    comparing: bool,
}

/// What whoever watches knows of a container.
struct Told {
    container: Arc<Container>,
    /// Of the row that it was sent; `None`: by another watch, or by a list.
    digest: Option<u64>,
}

impl ContainerChanges {
    /// All there are, and then what changes.
    pub(super) fn all(api: &Api, selector: LabelSelector, outputs: Outputs) -> Self {
        // What changes from here on is told, whether the snapshot has it or not.
        let told = api.view.rows_told();
        let world = api.view.world();
        let known = BTreeMap::new();
        let mut changes = Self::new(api, selector, outputs, told, known, world.revision);
        changes.compare(&world);
        changes
    }

    /// What has changed since `id`, and then what changes. What a container showed then is not known: each that may show
    /// something else is told.
    pub(super) fn after(
        api: &Api,
        selector: LabelSelector,
        outputs: Outputs,
        id: &str,
    ) -> Result<Self, ChangesMissed> {
        let told = api.view.rows_told();
        let revision = api.view.revision_of(id)?;
        let (world, since) = api.view.rows_since(revision)?;
        let wanted = |container: &Arc<Container>| selector.matches(&container.labels);
        let entry = |container: Arc<Container>| (container.key.clone(), Told { container, digest: None });
        let mut known: BTreeMap<ContainerKey, Told> =
            world.containers.values().filter(|container| wanted(container)).cloned().map(entry).collect();
        // Backwards: what counts is how it was before the first of a container's changes.
        for (_, change) in since.iter().rev() {
            match change {
                RowChange::Came(key) => drop(known.remove(key)),
                RowChange::Gone(container) if wanted(container) => known.extend([entry(container.clone())]),
                RowChange::Gone(_) | RowChange::Changed(_) | RowChange::Everything => {}
            }
        }
        let mut changes = Self::new(api, selector, outputs, told, known, revision);
        changes.take(&world, &since);
        // Whoever goes on learns that there is nothing more.
        changes.comparing = true;
        Ok(changes)
    }

    fn new(
        api: &Api,
        selector: LabelSelector,
        outputs: Outputs,
        told: watch::Receiver<()>,
        known: BTreeMap<ContainerKey, Told>,
        revision: u64,
    ) -> Self {
        let (waiting, ahead, comparing) = (VecDeque::new(), revision, false);
        Self { api: api.clone(), selector, outputs, told, revision, known, waiting, ahead, comparing }
    }

    /// Looks at what has changed.
    fn look(&mut self) {
        match self.api.view.rows_since(self.revision) {
            Ok((world, changes)) => self.take(&world, &changes),
            // Too much has changed to be told one by one.
            Err(_) => self.compare(&self.api.view.world()),
        }
    }

    fn take(&mut self, world: &World, changes: &[(u64, RowChange)]) {
        let mut last: BTreeMap<&ContainerKey, u64> = BTreeMap::new();
        for (revision, change) in changes {
            match change {
                RowChange::Came(key) | RowChange::Changed(key) => drop(last.insert(key, *revision)),
                RowChange::Gone(container) => drop(last.insert(&container.key, *revision)),
                RowChange::Everything => return self.compare(world),
            }
        }
        let mut waiting: Vec<_> = last.into_iter().map(|(key, revision)| (revision, key.clone())).collect();
        waiting.sort();
        // Of several with one revision, as when an engine is no longer declared, whoever was told one is told the others, too.
        let mut next = None;
        for (revision, _) in waiting.iter_mut().rev() {
            let same = next.replace(*revision) == Some(*revision);
            *revision -= u64::from(same);
        }
        self.waiting = waiting.into();
        self.ahead = world.revision;
    }

    /// Looks at everything once.
    fn compare(&mut self, world: &World) {
        let keys: BTreeSet<&ContainerKey> = self.known.keys().chain(world.containers.keys()).collect();
        self.waiting = keys.into_iter().map(|key| (self.revision, key.clone())).collect();
        self.ahead = world.revision;
        self.comparing = true;
    }

    /// Tells of one container as it is now, if that is something else than was told.
    fn see(&mut self, revision: u64, key: &ContainerKey, lines: &mut WatchLines) {
        let world = self.api.view.world();
        let now = world.containers.get(key).filter(|container| self.selector.matches(&container.labels));
        let known = self.known.get(key);
        let Some(container) = now.or(known.map(|known| &known.container)) else { return };
        counter!("portreeve_watch_rows_total").increment(1);
        let mut item = item(row(&self.api, container, self.outputs));
        let mut digest = DefaultHasher::new();
        json!(item).to_string().hash(&mut digest);
        let digest = Some(digest.finish());
        let word = match (now.is_some(), known) {
            (true, None) => Word::Added,
            (true, Some(known)) if known.digest == digest => return,
            (true, Some(_)) => Word::Modified,
            (false, _) => Word::Deleted,
        };
        item.metadata.resource_version = Some(self.api.view.revision_id(revision));
        lines.add(word, &item);
        match now.cloned() {
            Some(container) => drop(self.known.insert(key.clone(), Told { container, digest })),
            None => drop(self.known.remove(key)),
        }
    }
}

impl Source for ContainerChanges {
    fn kind(&self) -> &'static str {
        "Container"
    }

    fn id(&self) -> String {
        self.api.view.revision_id(self.revision)
    }

    async fn more(&mut self, lines: &mut WatchLines) -> bool {
        if self.waiting.is_empty() && !self.comparing {
            if self.told.changed().await.is_err() {
                return false;
            }
            self.look();
        } else {
            // Others have their turn between two steps.
            tokio::task::yield_now().await;
        }
        for (revision, key) in self.waiting.drain(..STEP.min(self.waiting.len())).collect::<Vec<_>>() {
            self.see(revision, &key, lines);
        }
        if self.waiting.is_empty() {
            self.revision = self.ahead;
            if std::mem::take(&mut self.comparing) {
                lines.bookmark(self.kind(), &self.id());
            }
        }
        true
    }
}

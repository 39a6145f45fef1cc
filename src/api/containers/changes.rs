//! Containers, and every change of what the API shows of them.
//!
//! A line carries the id of the revision that its change made, so that whoever was told it goes on after it. The lines of a
//! comparison carry the id before it, and the bookmark that follows them carries the id after it: one who goes on in the midst of
//! them is told all of them. The very first lines, of what is there, carry none: nobody can go on after one of them.

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
    /// Everything up to this revision is told; `None`: what is there is still being told.
    revision: Option<u64>,
    known: BTreeMap<ContainerKey, Told>,
    /// Containers to be looked at, each with the revision that its line carries.
    waiting: VecDeque<(Option<u64>, ContainerKey)>,
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
        let mut changes = Self::new(api, selector, outputs, told, known, None);
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
        let mut changes = Self::new(api, selector, outputs, told, known, Some(revision));
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
        revision: Option<u64>,
    ) -> Self {
        let (waiting, ahead, comparing) = (VecDeque::new(), revision.unwrap_or(0), false);
        Self { api: api.clone(), selector, outputs, told, revision, known, waiting, ahead, comparing }
    }

    /// Looks at what has changed.
    fn look(&mut self) {
        match self.api.view.rows_since(self.revision.unwrap_or(0)) {
            Ok((world, changes)) => self.take(&world, &changes),
            // Too much has changed to be told one by one.
            Err(_) => self.compare(&self.api.view.world()),
        }
    }

    fn take(&mut self, world: &World, changes: &[(u64, RowChange)]) {
        // Of each, the last of its changes and the first.
        let mut changed: BTreeMap<&ContainerKey, (u64, u64)> = BTreeMap::new();
        for (revision, change) in changes {
            let key = match change {
                RowChange::Came(key) | RowChange::Changed(key) => key,
                RowChange::Gone(container) => &container.key,
                RowChange::Everything => return self.compare(world),
            };
            changed.entry(key).or_insert((*revision, *revision)).0 = *revision;
        }
        let mut waiting: Vec<_> = changed.into_iter().map(|(key, of)| (of, key)).collect();
        waiting.sort();
        // Whoever was told one and goes on after it is told the others, too, with all that happened to them.
        let mut untold = u64::MAX;
        for ((last, first), _) in waiting.iter_mut().rev() {
            *last = (*last).min(untold.saturating_sub(1));
            untold = untold.min(*first);
        }
        self.waiting = waiting.into_iter().map(|((last, _), key)| (Some(last), key.clone())).collect();
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
    fn see(&mut self, revision: Option<u64>, key: &ContainerKey, lines: &mut WatchLines) {
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
        item.metadata.resource_version = revision.map(|revision| self.api.view.revision_id(revision));
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

    fn id(&self) -> Option<String> {
        self.revision.map(|revision| self.api.view.revision_id(revision))
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
            self.revision = Some(self.ahead);
            if std::mem::take(&mut self.comparing) {
                lines.bookmark(self.kind(), &self.api.view.revision_id(self.ahead));
            }
        }
        true
    }
}

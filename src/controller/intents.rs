//! What is being done to containers, of whichever reconciler: read by all, reserved before it is committed.
//!
//! # Guarantees
//! - At most one intent is open for a container: whoever would open another one is refused until the first is closed. The
//!   store's unique index is behind that.
//! - An intent can be seen here from its commit until the commit of its end, over restarts of Portreeve too.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tracing::warn;

use crate::locked::locked;
use crate::observed::{ContainerKey, Nanos};
use crate::reconcile::cause::StopMarks;
use crate::reconcile::intent::{Intent, IntentCall};
use crate::store::{IntentChange, OpenIntent, StoredIntent};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Intents(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// By id.
    open: HashMap<String, OpenIntent>,
    /// Their ids, by container.
    containers: HashMap<ContainerKey, String>,
    /// Their ids, by whose memory they belong to.
    owners: HashMap<String, String>,
    /// Containers for which one is about to be committed.
    reserved: HashSet<ContainerKey>,
    /// Ids of those that a commit is about to change, open or close.
    changing: HashSet<String>,
    /// Calls in the hands of this process, by intent.
    calls: HashMap<String, IntentCall>,
}

impl Book {
    fn put(&mut self, open: OpenIntent) {
        let id = open.intent.id.clone();
        self.close(&id);
        self.owners.insert(open.owner.clone(), id.clone());
        self.containers.insert(open.intent.container.clone(), id.clone());
        self.open.insert(id, open);
    }

    fn close(&mut self, id: &str) {
        let Some(open) = self.open.remove(id) else { return };
        self.containers.remove(&open.intent.container);
        if self.owners.get(&open.owner).is_some_and(|now| now == id) {
            self.owners.remove(&open.owner);
        }
    }

    fn of(&self, container: &ContainerKey) -> Option<&OpenIntent> {
        self.open.get(self.containers.get(container)?)
    }
}

impl Intents {
    /// Those that an earlier process left open, and the ids of those that cannot be read.
    pub(super) fn load(stored: Vec<StoredIntent>) -> (Self, Vec<String>) {
        let (mut book, mut unreadable) = (Book::default(), Vec::new());
        for StoredIntent { id, owner, document } in stored {
            match serde_json::from_str(&document) {
                Ok(intent) => book.put(OpenIntent { owner, intent }),
                Err(error) => {
                    warn!(target: "portreeve::healing", "what was being done to {owner} cannot be read and is \
                        forgotten: {error}");
                    unreadable.push(id);
                }
            }
        }
        (Self(Mutex::new(book)), unreadable)
    }

    /// What is being done to a container.
    pub(super) fn of(&self, container: &ContainerKey) -> Option<OpenIntent> {
        locked(&self.0).of(container).cloned()
    }

    /// What is being done on behalf of a memory: perhaps to a container that is not there any more.
    pub(super) fn of_owner(&self, owner: &str) -> Option<OpenIntent> {
        let book = locked(&self.0);
        book.open.get(book.owners.get(owner)?).cloned()
    }

    /// Whether a kill or stop of a container is our own doing.
    pub(super) fn claims(&self, container: &ContainerKey, marks: &StopMarks, at: Nanos) -> bool {
        let book = locked(&self.0);
        book.of(container).is_some_and(|open| {
            let call = book.calls.get(&open.intent.id).copied().unwrap_or(IntentCall::NotInHand);
            open.intent.claims(container, marks, at, call)
        })
    }

    /// Whether what came of the call of an intent is not known and committed yet.
    pub(super) fn is_in_hand(&self, id: &str) -> bool {
        locked(&self.0).calls.contains_key(id)
    }

    /// The call may have been sent from now on.
    pub(super) fn sent(&self, id: &str) {
        locked(&self.0).calls.insert(id.to_owned(), IntentCall::Sent);
    }

    /// The call has ended: what happens from now on is not its doing, unless it was never sent at all.
    pub(super) fn ended_at(&self, id: &str, at: Nanos) {
        if let Some(call) = locked(&self.0).calls.get_mut(id).filter(|call| **call == IntentCall::Sent) {
            *call = IntentCall::Ended(at);
        }
    }

    /// What came of the call is committed.
    pub(super) fn forget_call(&self, id: &str) {
        locked(&self.0).calls.remove(id);
    }

    /// Keeps a place for each intent that `changes` would open, change or close; `None`: something else is being done to a
    /// container, or something else is made of an intent, and all that is decided on it has to be decided again. `called` are
    /// the intents whose calls are to be made once that is committed: no others are opened.
    pub(super) fn reserve(
        self: &Arc<Self>,
        changes: &[IntentChange],
        called: &[&str],
    ) -> Option<ReservedIntents> {
        if changes.is_empty() {
            return Some(ReservedIntents { intents: self.clone(), opened: Vec::new(), changes: Vec::new() });
        }
        let mut book = locked(&self.0);
        let closed: HashSet<&str> = changes.iter().filter_map(IntentChange::closed).collect();
        let put: Vec<&Intent> =
            changes.iter().filter_map(IntentChange::put).map(|open| &open.intent).collect();
        let is_open = |id: &str| book.open.contains_key(id) && !book.changing.contains(id);
        let known = |intent: &&Intent| is_open(&intent.id) || called.contains(&&*intent.id);
        if !closed.iter().all(|id| is_open(id)) || !put.iter().all(known) {
            return None;
        }
        let opened: Vec<ContainerKey> = put
            .iter()
            .filter(|intent| !book.open.contains_key(&intent.id))
            .map(|intent| intent.container.clone())
            .collect();
        let taken = |container: &ContainerKey| {
            let open = book.of(container).is_some_and(|open| !closed.contains(&*open.intent.id));
            open || book.reserved.contains(container)
        };
        if opened.iter().any(taken) {
            return None;
        }
        book.reserved.extend(opened.iter().cloned());
        book.changing.extend(changes.iter().map(|change| change.id().to_owned()));
        Some(ReservedIntents { intents: self.clone(), opened, changes: changes.to_vec() })
    }
}

/// Places that are kept until what is to take them is committed. They are free again if it is not.
#[derive(Debug)]
pub(super) struct ReservedIntents {
    intents: Arc<Intents>,
    opened: Vec<ContainerKey>,
    changes: Vec<IntentChange>,
}

impl ReservedIntents {
    /// It is committed. The calls of those that are new are in hand, and not sent yet.
    pub(super) fn keep(self) {
        if self.changes.is_empty() {
            return;
        }
        let mut book = locked(&self.intents.0);
        for change in &self.changes {
            match change {
                IntentChange::Close(id) => book.close(id),
                IntentChange::Put(open) => {
                    if self.opened.contains(&open.intent.container) {
                        book.calls.insert(open.intent.id.clone(), IntentCall::Waiting);
                    }
                    book.put(OpenIntent::clone(open));
                }
            }
        }
    }
}

impl Drop for ReservedIntents {
    fn drop(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        let mut book = locked(&self.intents.0);
        for container in &self.opened {
            book.reserved.remove(container);
        }
        for change in &self.changes {
            book.changing.remove(change.id());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::intent::Answer;
    use crate::reconcile::plan::{Cause, Verb};
    use crate::resource::Duration;

    const SECOND: i64 = 1_000_000_000;

    fn open(id: &str, container: &str, owner: &str) -> OpenIntent {
        let intent = Intent {
            id: id.to_owned(),
            container: ContainerKey::new("local", container),
            name: container.to_owned(),
            verb: Verb::Stop { stop_timeout: Duration::from_secs(10) },
            started_before: Some(Nanos(1)),
            committed_at: Nanos(100 * SECOND),
            attempt: 1,
            cause: Cause::Unhealthy { output: String::new() },
            answer: None,
        };
        OpenIntent { owner: owner.to_owned(), intent }
    }

    fn put(intents: &Arc<Intents>, open: &OpenIntent) -> Option<ReservedIntents> {
        intents.reserve(&[IntentChange::Put(Box::new(open.clone()))], &[&open.intent.id])
    }

    #[test]
    fn at_most_one_is_open_for_a_container_and_a_place_not_used_is_free_again() {
        let intents = Arc::new(Intents::default());
        let (first, second) = (open("1", "c", "local/web"), open("2", "c", "workload/web"));
        let reserved = put(&intents, &first).expect("nothing else is done to it");
        assert!(put(&intents, &second).is_none(), "one is about to be committed");
        assert!(put(&intents, &open("3", "d", "local/db")).is_some(), "others are free");
        drop(reserved);
        assert_eq!(intents.of(&first.intent.container), None, "what was not committed is not open");
        put(&intents, &second).expect("free again").keep();
        assert!(put(&intents, &first).is_none(), "one is open");
        put(&intents, &second).expect("more is known of the same one").keep();
        assert_eq!(intents.of(&first.intent.container).as_ref(), Some(&second));
        let instead = [IntentChange::Close("2".to_owned()), IntentChange::Put(Box::new(first.clone()))];
        intents.reserve(&instead, &["1"]).expect("the other one is closed with it").keep();
        assert_eq!(intents.of_owner("local/web"), Some(first));
        assert_eq!(intents.of_owner("workload/web"), None);
        intents.reserve(&[IntentChange::Close("1".to_owned())], &[]).expect("an end").keep();
        assert_eq!(intents.of_owner("local/web"), None);
    }

    #[test]
    fn two_decisions_make_nothing_of_one_intent_at_once_nor_of_one_that_is_over() {
        let intents = Arc::new(Intents::default());
        let (first, close) = (open("1", "c", "local/web"), [IntentChange::Close("1".to_owned())]);
        put(&intents, &first).expect("free").keep();
        let renamed = [IntentChange::Put(Box::new(open("1", "c", "local/web-old")))];
        let adopting = intents.reserve(&renamed, &[]).expect("it is open");
        assert!(intents.reserve(&close, &[]).is_none(), "it is about to be another's");
        drop(adopting);
        intents.reserve(&close, &[]).expect("nobody else changes it").keep();
        assert!(
            intents.reserve(&close, &[]).is_none() && intents.reserve(&renamed, &[]).is_none(),
            "it is over"
        );
        assert!(!intents.is_in_hand("2"));
    }

    #[test]
    fn it_goes_over_to_whoever_the_container_belongs_to_now() {
        let intents = Arc::new(Intents::default());
        put(&intents, &open("1", "c", "local/web")).expect("free").keep();
        put(&intents, &open("1", "c", "local/web-old")).expect("the same").keep();
        assert_eq!(intents.of_owner("local/web"), None);
        assert_eq!(intents.of_owner("local/web-old").map(|open| open.intent.id), Some("1".to_owned()));
    }

    #[test]
    fn a_stop_of_ours_is_ours_until_its_call_has_ended_and_after_a_crash_until_its_deadline() {
        let intents = Arc::new(Intents::default());
        let mut stop = open("1", "c", "local/web");
        let (container, deadline) = (stop.intent.container.clone(), stop.intent.deadline());
        put(&intents, &stop).expect("free").keep();
        let claims = |intents: &Intents, at: Nanos| intents.claims(&container, &StopMarks::default(), at);
        assert!(!claims(&intents, stop.intent.committed_at), "it is not sent yet: that was somebody else");
        intents.sent("1");
        let late = deadline.plus(Duration::from_secs(60));
        assert!(claims(&intents, deadline) && claims(&intents, late), "it takes longer than it was given");
        intents.ended_at("1", late);
        let later = late.plus(Duration::from_secs(2));
        assert!(claims(&intents, late) && !claims(&intents, later), "what came of it waits to be committed");
        assert!(intents.is_in_hand("1"));
        stop.intent.answer = Some(Answer::Lost { at: late });
        put(&intents, &stop).expect("the same").keep();
        intents.forget_call("1");
        assert!(claims(&intents, late), "what happened before nobody waited any more");
        assert!(!claims(&intents, late.plus(Duration::from_secs(2))));
        assert!(!intents.claims(&ContainerKey::new("local", "d"), &StopMarks::default(), deadline));

        stop.intent.answer = None;
        let document = serde_json::to_string(&stop.intent).expect("a document");
        let stored = |id: &str, document: String| StoredIntent {
            id: id.to_owned(),
            owner: "local/web".to_owned(),
            document,
        };
        let (again, unreadable) = Intents::load(vec![stored("1", document), stored("2", "{".to_owned())]);
        assert_eq!(unreadable, ["2"]);
        assert!(claims(&again, deadline) && !claims(&again, late), "nobody knows whether it goes on");
    }
}

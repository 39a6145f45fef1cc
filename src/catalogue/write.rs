//! What the API writes: checked against what is there, committed, and then shown.

use std::sync::Arc;

use serde_json::Value;

use super::document::{about, merge, normal, unwritten};
use super::follow::{conditions, departed};
use super::identity::Identity;
use super::refused::{MOST, Match, Refused, is_foreign};
use super::state::{Catalogue, Declared};
use crate::clock;
use crate::desired::{Layers, missing_from};
use crate::manifest::{Faulty, FieldFault, draft};
use crate::observed::Nanos;
use crate::resource::event::EventKind;
use crate::resource::{Object, ObjectKey, Origin};
use crate::store::{Commit, NewEvent, ObjectChange, ObjectWrite, ObjectWritten};

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Request {
    /// The object is to read so.
    Put(Value),
    /// What would be in force if the file that declares the object read so; for an object of the API the same as `Put`. Nothing is
    /// ever written.
    Preview(Value),
    /// The object is to be changed by this JSON merge patch (RFC 7386).
    Patch(Value),
    /// The object is to go.
    Delete,
    /// What would be in force if the file that declares the object did so no more; for an object of the API the same as `Delete`.
    /// Nothing is ever written.
    PreviewDelete,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was none before.
    Created,
    /// It reads differently now.
    Changed,
    /// It read so before; nothing was written.
    Unchanged,
    /// It is gone.
    Deleted,
}

/// A write that somebody wishes.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The object.
    pub key: ObjectKey,
    /// What is to become of it.
    pub request: Request,
    /// What it must be like for that.
    pub conditions: Match,
    /// Whether only to say what it would come to.
    pub dry_run: bool,
    /// Who wishes it, as its event names him.
    pub caller: String,
}

/// A write that was made, or with a dry run would have been.
#[derive(Clone, Debug)]
pub struct Written {
    /// The object as it is now, or was.
    pub object: Arc<Object>,
    /// What the write came to.
    pub outcome: Outcome,
    /// What is wrong with it all the same.
    pub warnings: Vec<String>,
    /// Of what is gone: what is in force under its name from then on, if something is.
    pub below: Option<Object>,
}

/// A write that can be made.
struct Prepared {
    object: Object,
    /// What the API says, if the object stays.
    declared: Option<Declared>,
    outcome: Outcome,
    warnings: Vec<String>,
    /// See [`Written`].
    below: Option<Object>,
}

/// The event of a write.
fn written(key: &ObjectKey, outcome: Outcome, caller: &str, at: Nanos) -> NewEvent {
    let (kind, word) = match outcome {
        Outcome::Created => (EventKind::ObjectCreated, "created"),
        Outcome::Changed | Outcome::Unchanged => (EventKind::ObjectChanged, "changed"),
        Outcome::Deleted => (EventKind::ObjectDeleted, "deleted"),
    };
    let event = NewEvent::new(kind, key, at).because(kind.as_str()).status(word);
    event.saying(format!("{key} was {word} by {caller}")).asked_by(caller)
}

impl Catalogue {
    /// Makes a write, with its event, or for a dry run says what it would come to. Finishes even if nobody waits for it.
    ///
    /// # Errors
    /// See [`Refused`]; nothing has changed.
    pub async fn write(self: &Arc<Self>, commit: Arc<dyn Commit>, wish: Wish) -> Result<Written, Refused> {
        let catalogue = self.clone();
        // A task of its own: a client that goes away must not leave a commit that nobody shows.
        let writing = tokio::spawn(async move { catalogue.write_in_turn(&*commit, wish).await });
        writing.await.unwrap_or(Err(Refused::Store))
    }

    async fn write_in_turn(&self, commit: &dyn Commit, wish: Wish) -> Result<Written, Refused> {
        let Wish { key, request, conditions, dry_run, caller } = wish;
        let dry_run = dry_run || matches!(request, Request::Preview(_) | Request::PreviewDelete);
        let key = &key;
        if !dry_run && !self.read().unsaved.is_empty() {
            // Their revisions were given before this one will be: the store would give them later ones if it came first.
            self.save(commit).await;
        }
        let _turn = self.lanes[self.lane(key)].lock().await;
        let Prepared { object, declared, outcome, warnings, below } =
            self.prepare(key, request, &conditions)?;
        if dry_run || outcome == Outcome::Unchanged {
            return Ok(Written { object: Arc::new(object), outcome, warnings, below });
        }
        let now = clock::now();
        let (mut identity, revision, expected) = {
            let mut inner = self.change();
            let revision = inner.next_revision();
            let mut identity = Identity::next(inner.identities.get(key), &object, revision, now);
            (identity.revision, identity.written) = (revision, revision);
            (identity, revision, inner.expected(key))
        };
        let change = match &declared {
            Some(declared) => {
                ObjectChange::Put(Box::new(identity.row(key, Some(declared.document.to_string()))))
            }
            None => {
                ObjectChange::Gone { kind: key.kind.as_str().to_owned(), name: key.name.clone(), revision }
            }
        };
        let event = Some(written(key, outcome, &caller, now));
        let write = ObjectWrite { expected, change, event, at: now };
        let stored = commit.write_objects(vec![write]).await.map_err(|_| Refused::Store)?;
        match stored.first() {
            Some(ObjectWritten::Stored(given)) => identity.renumber(*given),
            Some(ObjectWritten::Conflict(_)) => {
                return Err(Refused::Stale("another process has changed it in the store".to_owned()));
            }
            None => return Err(Refused::Store),
        }
        Ok(Written { object: self.show(key, object, declared, identity), outcome, warnings, below })
    }

    /// Shows what is committed, and lets it be decided on.
    fn show(
        &self,
        key: &ObjectKey,
        mut object: Object,
        declared: Option<Declared>,
        identity: Identity,
    ) -> Arc<Object> {
        let mut inner = self.change();
        inner.revision = inner.revision.max(identity.revision);
        inner.applied += 1;
        let applied = inner.applied;
        inner.touched.insert(key.clone(), applied);
        inner.unsaved.remove(key);
        inner.unreadable.remove(key);
        let gone = declared.is_none();
        let shown = match declared {
            Some(declared) => {
                identity.stamp(&mut object);
                let object = Arc::new(object);
                inner.declared.insert(key.clone(), declared);
                inner.identities.insert(key.clone(), identity);
                inner.objects.insert(key.clone(), object.clone());
                object
            }
            None => {
                inner.declared.remove(key);
                inner.identities.remove(key);
                inner.objects.remove(key);
                departed(&object, identity.revision)
            }
        };
        self.notify(shown.clone(), gone);
        drop(inner);
        self.applied.send_replace(applied);
        shown
    }

    fn prepare(&self, key: &ObjectKey, request: Request, wanted: &Match) -> Result<Prepared, Refused> {
        let inner = self.read();
        let current = inner.objects.get(key);
        let written = inner.identities.get(key).map_or(0, |identity| identity.written);
        wanted.check(current.map(|object| (&**object, written)))?;
        let previews = matches!(request, Request::Preview(_) | Request::PreviewDelete);
        let foreign = current.map(|object| object.origin()).filter(|origin| is_foreign(key, origin));
        if let Some(origin) = foreign.filter(|origin| !(previews && matches!(origin, Origin::Directory(_)))) {
            return Err(Refused::Foreign(origin.clone()));
        }
        let declared = inner.declared.get(key);
        let document = match request {
            Request::Delete | Request::PreviewDelete => {
                let object = Object::clone(current.ok_or(Refused::NotFound)?);
                let of_api = declared.filter(|_| foreign.is_some()).map(|declared| declared.object.clone());
                let below = of_api.map(|object| self.layers.in_force(object));
                return match (declared, object.origin()) {
                    (Some(_), _) => Ok(()),
                    (None, Origin::Directory(_)) if previews => Ok(()),
                    (None, Origin::BuiltIn) => Err(Refused::BuiltIn),
                    (None, origin) => Err(Refused::Foreign(origin.clone())),
                }
                .map(|()| Prepared {
                    object,
                    declared: None,
                    outcome: Outcome::Deleted,
                    warnings: Vec::new(),
                    below: below.or_else(|| self.layers.below(key)),
                });
            }
            Request::Put(document) | Request::Preview(document) => document,
            Request::Patch(patch) => {
                let current = current.ok_or(Refused::NotFound)?;
                let mut document = match declared {
                    Some(declared) => Value::clone(&declared.document),
                    None => unwritten(current),
                };
                merge(&mut document, patch);
                document
            }
        };
        about(key, &document)?;
        let version = |field: &str| document.pointer(field).and_then(Value::as_str).map(str::to_owned);
        let named = version("/metadata/resourceVersion").filter(|text| !matches!(text.as_str(), "" | "0"));
        let named = Match { versions: named.map(|version| vec![version]), absent: false };
        named.check(current.map(|object| (&**object, written)))?;
        if let Some(uid) = version("/metadata/uid").filter(|uid| !uid.is_empty())
            && current.and_then(|object| object.metadata.uid.as_ref()) != Some(&uid)
        {
            return Err(Refused::Stale(format!("it is not the object with the uid {uid:?}")));
        }
        // A file may name what the API may not.
        let draft = draft(document, foreign.cloned().unwrap_or(Origin::Api))
            .and_then(|draft| if previews { Ok(draft) } else { draft.restricted(&self.layers.secrets) });
        let mut draft = draft.map_err(|Faulty { mut faults, references }| {
            let missing = missing_from(key, &references, &inner.objects);
            faults.extend(missing.map(|(field, message)| FieldFault { field, message }));
            Refused::Invalid(faults)
        })?;
        if let Some(current) = current.filter(|_| foreign.is_some()) {
            draft.object.trust = current.trust;
        }
        let document = Arc::new(normal(&draft.object, &draft.document));
        let known = &inner.objects;
        let below = declared.filter(|_| foreign.is_some()).map(|declared| &declared.object);
        let mut object = self.layers.in_force(Layers::over(draft.object.clone(), below));
        let (said, warnings) = self.layers.judge(&object, known);
        if let (Some(current), Some(declared)) = (current, declared)
            && *current.origin() == Origin::Api
            && declared.document == document
        {
            return Ok(Prepared {
                object: Object::clone(current),
                declared: None,
                outcome: Outcome::Unchanged,
                warnings,
                below: None,
            });
        }
        if declared.is_none() && inner.declared.len() >= MOST {
            return Err(Refused::Full);
        }
        let last = current.map_or(&[][..], |current| &current.status.conditions);
        object.status.conditions = conditions(last, &inner.with_shown(key, &said), 0, clock::now()).0;
        // What a dry run shows; a real write stamps its own.
        Identity::next(inner.identities.get(key), &object, inner.revision + 1, clock::now())
            .stamp(&mut object);
        if current.is_none() {
            object.metadata.uid = None;
            object.metadata.resource_version = None;
        }
        let outcome = if current.is_some() { Outcome::Changed } else { Outcome::Created };
        Ok(Prepared {
            object,
            declared: Some(Declared { object: draft.object, document, copied: None }),
            outcome,
            warnings,
            below: None,
        })
    }
}

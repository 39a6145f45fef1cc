//! The catalogue over stores that fail and objects that change hands.

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::desired::{Desired, Sources};
use crate::manifest::{LoadedSet, parse};
use crate::observed::Nanos;
use crate::store::{
    ChangeSet, Commit, EventLog, Expected, Ledger, ObjectChange, ObjectWrite, ObjectWritten, Sqlite,
};

/// Commits into a store, or with `full` not at all.
struct Committing {
    store: Arc<Sqlite>,
    full: bool,
}

#[async_trait]
impl Commit for Committing {
    async fn commit(&self, changes: ChangeSet) -> Result<(), StoreError> {
        if self.full {
            return Err(StoreError::Unfit("the disk is full".to_owned()));
        }
        self.store.commit(&[changes]).await
    }

    async fn write_objects(&self, writes: Vec<ObjectWrite>) -> Result<Vec<ObjectWritten>, StoreError> {
        if self.full {
            return Err(StoreError::Unfit("the disk is full".to_owned()));
        }
        self.store.write_objects(&writes).await
    }
}

struct Rig {
    _directory: tempfile::TempDir,
    store: Arc<Sqlite>,
    catalogue: Arc<Catalogue>,
}

impl Rig {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Arc::new(Sqlite::open(&directory.path().join("p.db")).await.expect("a store"));
        let catalogue = Catalogue::load(&*store, Layers::default()).await.expect("objects");
        Self { _directory: directory, store, catalogue }
    }

    /// As after a restart.
    async fn again(&mut self) {
        self.catalogue = Catalogue::load(&*self.store, Layers::default()).await.expect("objects");
    }

    fn follow(&self, files: &str) -> Desired {
        let parsed = parse("a.yaml", files.as_bytes());
        let set = LoadedSet { objects: parsed.objects, problems: parsed.problems, ..LoadedSet::default() };
        self.catalogue.hold(&set);
        let (writes, api) = self.catalogue.declared();
        let desired = Desired::of(Sources { directory: Some(&set), api: &api, ..Sources::default() });
        self.catalogue.sync(&desired, writes);
        desired
    }

    async fn write(&self, request: Request, full: bool) -> Result<Written, Refused> {
        self.write_to(key(), request, full).await
    }

    async fn write_to(&self, key: ObjectKey, request: Request, full: bool) -> Result<Written, Refused> {
        let commit = Arc::new(Committing { store: self.store.clone(), full });
        let caller = "token ci".to_owned();
        let wish = Wish { key, request, conditions: Match::default(), dry_run: false, caller };
        self.catalogue.write(commit, wish).await
    }

    async fn save(&self) {
        assert!(self.catalogue.save(&Committing { store: self.store.clone(), full: false }).await);
    }

    fn shown(&self) -> Option<Arc<Object>> {
        self.catalogue.get(&key())
    }
}

fn key() -> ObjectKey {
    ObjectKey { kind: KindId::DiscoveryRegistry, name: "main".to_owned() }
}

fn document(url: &str) -> Value {
    json!({"apiVersion": "portreeve/v1", "kind": "DiscoveryRegistry", "metadata": {"name": "main"}, "spec": {"url": url}})
}

fn put(url: &str) -> Request {
    Request::Put(document(url))
}

#[tokio::test]
async fn what_cannot_be_committed_is_not_shown() {
    let rig = Rig::new().await;
    rig.follow("");
    assert_eq!(rig.write(put("http://a"), true).await.expect_err("refused"), Refused::Store);
    assert!(rig.shown().is_none());
    rig.write(put("http://a"), false).await.expect("written");
    assert_eq!(rig.write(Request::Delete, true).await.expect_err("refused"), Refused::Store);
    assert!(rig.shown().is_some());
}

#[tokio::test]
async fn a_decision_made_before_a_write_does_not_undo_it() {
    let rig = Rig::new().await;
    let before = rig.follow("");
    let (writes, _) = rig.catalogue.declared();
    let written = rig.write(put("http://a"), false).await.expect("written").object;
    rig.catalogue.sync(&before, writes);
    assert_eq!(rig.shown(), Some(written.clone()));
    rig.follow("");
    assert_eq!(rig.shown(), Some(written));
    let during = rig.follow("");
    let (writes, _) = rig.catalogue.declared();
    rig.write(Request::Delete, false).await.expect("deleted");
    rig.catalogue.sync(&during, writes);
    assert!(rig.shown().is_none());
}

#[tokio::test]
async fn an_object_of_the_api_becomes_a_files_and_goes_with_it() {
    let mut rig = Rig::new().await;
    rig.follow("");
    let first = rig.write(put("http://api"), false).await.expect("written").object;
    rig.follow(&document("http://file").to_string());
    let shadowed = rig.shown().expect("shown");
    assert_eq!(shadowed.metadata.uid, first.metadata.uid);
    assert_eq!(
        (shadowed.metadata.generation, shadowed.origin()),
        (2, &Origin::Directory("a.yaml".to_owned()))
    );
    let refused = rig.write(put("http://b"), false).await.expect_err("refused");
    assert_eq!(refused, Refused::Foreign(Origin::Directory("a.yaml".to_owned())));
    rig.save().await;
    rig.again().await;
    rig.follow(&document("http://file").to_string());
    assert_eq!(rig.shown().expect("shown").metadata, shadowed.metadata);
    rig.follow("");
    assert_eq!(rig.shown(), None);
    rig.save().await;
    rig.again().await;
    rig.follow("");
    assert_eq!(rig.shown(), None);
}

#[tokio::test]
async fn objects_of_files_keep_their_identity_over_a_restart_and_changes_while_away_count() {
    let mut rig = Rig::new().await;
    rig.follow(&document("http://a").to_string());
    let first = rig.shown().expect("shown");
    rig.save().await;
    rig.again().await;
    rig.follow(&document("http://a").to_string());
    assert_eq!(rig.shown().expect("shown").metadata, first.metadata);
    assert!(rig.catalogue.read().unsaved.is_empty());
    rig.again().await;
    rig.follow(&document("http://b").to_string());
    let second = rig.shown().expect("shown");
    assert_eq!((&second.metadata.uid, second.metadata.generation), (&first.metadata.uid, 2));
    assert_ne!(second.metadata.resource_version, first.metadata.resource_version);
}

#[tokio::test]
async fn deciding_again_changes_and_tells_nothing() {
    let rig = Rig::new().await;
    let (_, _, mut changes) = rig.catalogue.watch(KindId::DiscoveryRegistry);
    rig.follow(&document("http://a").to_string());
    while changes.try_recv().is_ok() {}
    let before = rig.catalogue.list(KindId::DiscoveryRegistry);
    rig.follow(&document("http://a").to_string());
    assert_eq!(rig.catalogue.list(KindId::DiscoveryRegistry), before);
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn a_revision_is_never_given_twice_not_even_after_a_restart() {
    let mut rig = Rig::new().await;
    rig.follow("");
    rig.write(put("http://a"), false).await.expect("written");
    let gone = rig.write(Request::Delete, false).await.expect("deleted").object;
    rig.again().await;
    rig.follow("");
    let new = rig.write(put("http://a"), false).await.expect("written").object;
    let version = |object: &Object| {
        object
            .metadata
            .resource_version
            .as_ref()
            .and_then(|text| text.parse::<u64>().ok())
            .expect("a version")
    };
    assert!(version(&new) > version(&gone));
    assert_ne!(new.metadata.uid, gone.metadata.uid);
}

#[tokio::test]
async fn a_change_of_conditions_makes_no_read_stale() {
    let rig = Rig::new().await;
    rig.follow("");
    let written = rig.write(put("http://a"), false).await.expect("written").object;
    let (writes, api) = rig.catalogue.declared();
    let mut desired = Desired::of(Sources { api: &api, ..Sources::default() });
    for object in &mut desired.objects {
        let told = crate::resource::condition::Condition::new("Ready", false, "Away", "");
        object.status.conditions.push(told);
    }
    rig.catalogue.sync(&desired, writes);
    let now = rig.shown().expect("shown");
    assert_ne!(now.metadata.resource_version, written.metadata.resource_version);
    assert_eq!(now.metadata.generation, written.metadata.generation);
    let mut again = document("http://b");
    again["metadata"]["resourceVersion"] = json!(written.metadata.resource_version);
    rig.write(Request::Put(again.clone()), false).await.expect("not stale");
    assert!(matches!(rig.write(Request::Put(again), false).await, Err(Refused::Stale(_))));
}

/// The document of a file that is to outlive it.
fn kept(url: &str) -> String {
    let mut document = document(url);
    document["metadata"]["annotations"] = json!({"portreeve/prune": "disabled"});
    document.to_string()
}

/// `type/reason` of the conditions shown.
fn reasons(rig: &Rig) -> Vec<String> {
    let conditions = rig.shown().map(|object| object.status.conditions.clone()).unwrap_or_default();
    conditions.iter().map(|condition| format!("{}/{}", condition.kind, condition.reason)).collect()
}

async fn events(rig: &Rig) -> Vec<String> {
    let filter = crate::store::EventFilter { limit: 10, ..Default::default() };
    let rows = rig.store.events(&filter).await.expect("events");
    rows.into_iter().map(|row| row.event.message).collect()
}

#[tokio::test]
async fn an_object_that_is_not_to_be_pruned_outlives_its_file_and_is_the_apis_then() {
    let mut rig = Rig::new().await;
    rig.follow(&kept("http://file"));
    let first = rig.shown().expect("shown");
    assert_eq!(
        (first.origin(), reasons(&rig)),
        (&Origin::Directory("a.yaml".to_owned()), vec!["Accepted/Valid".to_owned()])
    );
    assert!(matches!(rig.write(Request::Delete, false).await, Err(Refused::Foreign(_))));
    rig.follow("");
    let left = rig.shown().expect("it stays");
    assert_eq!(
        (left.origin(), &left.spec, &left.metadata.uid),
        (&Origin::Api, &first.spec, &first.metadata.uid)
    );
    assert_eq!(reasons(&rig), ["Accepted/Valid", "Pruned/PruneDisabled"]);
    rig.save().await;
    assert_eq!(
        events(&rig).await,
        ["DiscoveryRegistry/main stays although a.yaml no longer declares it: portreeve/prune: disabled; \
          `portreeve delete DiscoveryRegistry/main` removes it"]
    );
    // It is said once, and does not change over a restart.
    rig.again().await;
    rig.follow("");
    rig.save().await;
    assert_eq!(
        (rig.shown().expect("shown").metadata.clone(), events(&rig).await.len()),
        (left.metadata.clone(), 1)
    );
    assert_eq!(reasons(&rig), ["Accepted/Valid", "Pruned/PruneDisabled"]);
    // A file that declares it again has it back; what the API writes is the API's own.
    rig.follow(&kept("http://again"));
    assert_eq!(rig.shown().expect("shown").origin(), &Origin::Directory("a.yaml".to_owned()));
    rig.follow("");
    assert_eq!(reasons(&rig), ["Accepted/Valid", "Pruned/PruneDisabled"]);
    rig.write(put("http://api"), false).await.expect("written");
    rig.follow("");
    assert_eq!(reasons(&rig), ["Accepted/Valid"]);
    rig.write(Request::Delete, false).await.expect("deleted");
    rig.follow("");
    assert!(rig.shown().is_none());
}

/// A copy of what strangers wrote is theirs after a restart, too: else their service would get root's secrets then.
#[tokio::test]
async fn a_copy_is_trusted_as_its_file_was_also_after_a_restart() {
    for (trust, env) in [(Trust::Restricted, "PORTREEVE_SECRET_A"), (Trust::Trusted, "HOME")] {
        let mut rig = Rig::new().await;
        let mut document = document("http://file");
        document["metadata"]["annotations"] = json!({"portreeve/prune": "disabled"});
        document["spec"]["auth"] = json!({"bearer": {"env": env}});
        let parsed = parse("a.yaml", document.to_string().as_bytes());
        let mut set =
            LoadedSet { objects: parsed.objects, problems: parsed.problems, ..LoadedSet::default() };
        set.objects.iter_mut().for_each(|loaded| loaded.object.trust = trust);
        rig.catalogue.hold(&set);
        let (_, before) = rig.catalogue.declared();
        let desired = Desired::of(Sources { directory: Some(&set), api: &before, ..Sources::default() });
        rig.catalogue.sync(&desired, 0);
        rig.save().await;
        rig.again().await;
        let (_, after) = rig.catalogue.declared();
        assert_eq!((before[0].trust, after[0].trust), (trust, trust));
        // Nobody reads of it, and nobody can claim it.
        rig.follow("");
        let shown = rig.shown().expect("shown");
        assert!(!serde_json::to_string(&*shown).expect("JSON").contains("trusted"), "{shown:?}");
    }
    let mut claimed = document("http://file");
    claimed["trusted"] = json!(true);
    let refused = draft(claimed.clone(), Origin::Api).expect_err("a field that there is not");
    assert!(refused.faults.iter().any(|fault| fault.message.contains("trusted")), "{refused:?}");
    assert_eq!(hold::take_trust(&mut claimed), Trust::Restricted);
}

#[tokio::test]
async fn what_vanished_while_nobody_looked_is_pruned_at_the_start_unless_it_is_to_stay() {
    let mut rig = Rig::new().await;
    let other = r#"{"apiVersion":"portreeve/v1","kind":"BillingService","metadata":{"name":"b"},"spec":{"url":"http://b"}}"#;
    rig.follow(&format!("{}\n---\n{other}", kept("http://file")));
    rig.save().await;
    rig.again().await;
    rig.follow("");
    assert_eq!(reasons(&rig), ["Accepted/Valid", "Pruned/PruneDisabled"]);
    assert!(rig.catalogue.list(KindId::BillingService).1.is_empty());
    rig.save().await;
    assert_eq!(events(&rig).await.len(), 1);
    let stored = rig.store.objects().await.expect("objects").1;
    assert!(stored.iter().all(|row| row.kind != "BillingService"), "{stored:?}");
}

#[tokio::test]
async fn without_the_annotation_an_object_goes_with_its_file_again() {
    let rig = Rig::new().await;
    rig.follow(&kept("http://file"));
    rig.follow(&document("http://file").to_string());
    rig.follow("");
    assert!(rig.shown().is_none());
    rig.save().await;
    assert!(events(&rig).await.is_empty());
}

#[tokio::test]
async fn what_is_refused_for_a_fault_is_told_also_what_it_names_in_vain() {
    let rig = Rig::new().await;
    let key = ObjectKey { kind: KindId::MonitoredService, name: "shop".to_owned() };
    let document = json!({
        "apiVersion": "portreeve/v1", "kind": "MonitoredService", "metadata": {"name": "shop"},
        "spec": {"selector": {"names": ["shop"]}, "minHealthy": -1, "dependsOn": ["db", "mail"], "autoheal": {"policyRef": "defualt"}},
    });
    let Err(Refused::Invalid(faults)) = rig.write_to(key, Request::Put(document), false).await else {
        panic!("it is good")
    };
    let fields: Vec<String> = faults.iter().map(|fault| fault.field.to_string()).collect();
    let expected = ["spec.minHealthy", "spec.dependsOn[0]", "spec.dependsOn[1]", "spec.autoheal.policyRef"];
    assert_eq!(fields, expected, "{faults:#?}");
}

#[tokio::test]
async fn a_deletion_is_told_with_what_is_in_force_from_then_on_also_for_a_file_and_before_it_is_made() {
    let rig = Rig::new().await;
    let key = ObjectKey { kind: KindId::AutohealPolicy, name: "default".to_owned() };
    let policy = json!({
        "apiVersion": "portreeve/v1", "kind": "AutohealPolicy", "metadata": {"name": "default"},
        "spec": {"selector": {"all": true}},
    });
    let ask = async |request: Request| rig.write_to(key.clone(), request, false).await;
    let below = |written: Result<Written, Refused>| {
        written.expect("deleted").below.map(|object| object.origin().to_string())
    };
    rig.follow(&policy.to_string());
    assert!(matches!(ask(Request::Delete).await, Err(Refused::Foreign(_))));
    assert_eq!(below(ask(Request::PreviewDelete).await).as_deref(), Some("built-in"));
    assert_eq!(
        rig.catalogue.get(&key).map(|object| object.origin().to_string()).as_deref(),
        Some("directory:a.yaml")
    );
    rig.follow("");
    ask(Request::Put(policy)).await.expect("declared");
    assert_eq!(below(ask(Request::Delete).await).as_deref(), Some("built-in"));
}

#[tokio::test]
async fn what_is_stored_and_can_no_longer_be_read_is_replaced_by_who_writes_it_anew() {
    let mut rig = Rig::new().await;
    rig.follow("");
    rig.write(put("http://a"), false).await.expect("written");
    let key = key();
    let (_, rows) = rig.store.objects().await.expect("objects");
    let mut row =
        rows.into_iter().find(|row| row.name == key.name && row.kind == key.kind.as_str()).expect("a row");
    row.document = Some("{}".to_owned());
    let change = ObjectChange::Put(Box::new(row));
    let write = ObjectWrite { expected: Expected::Any, change, event: None, at: Nanos(1) };
    rig.store.write_objects(&[write]).await.expect("written");
    rig.again().await;
    rig.follow("");
    assert_eq!(rig.shown(), None, "it is not valid");
    rig.write(put("http://b"), false).await.expect("it is mended");
    rig.again().await;
    rig.follow("");
    assert!(rig.shown().is_some());
}

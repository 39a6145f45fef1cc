//! Creating, replacing, patching and deleting.

use std::sync::Arc;

use serde_json::json;

use super::{Server, V1, registry, temporary};
use crate::support::wait;
use portreeve::api::Access;
use portreeve::resource::settings::SettingsSpec;
use portreeve::resource::{Object, Origin};

#[tokio::test]
async fn an_object_is_created_read_replaced_and_deleted() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let created = server.put("discoveryregistries/main", &registry("main", "http://localhost:7000")).await;
    assert_eq!(created.code, 201, "{}", created.body);
    let metadata = &created.body["metadata"];
    assert_eq!((&metadata["generation"], &metadata["origin"]), (&json!(1), &json!("api")));
    assert!(metadata["uid"].is_string() && metadata["creationTimestamp"].is_string());
    assert_eq!(created.body["status"]["observedGeneration"], 1);
    assert_eq!(created.body["status"]["conditions"][0]["type"], "Accepted");
    assert_eq!(created.headers["etag"], format!("\"{}\"", created.version()));

    // By every name of the kind, and unchanged by being decided on.
    for plural in ["discoveryregistries", "DiscoveryRegistry", "reg"] {
        assert_eq!(server.get(&format!("{plural}/main")).await.body, created.body);
    }
    assert_eq!(server.get("reg/main/status").await.body, created.body);

    let same = server.put("discoveryregistries/main", &registry("main", "http://localhost:7000")).await;
    assert_eq!((same.code.as_u16(), &same.body), (200, &created.body));

    let replaced = server.put("discoveryregistries/main", &registry("main", "http://localhost:7001")).await;
    assert_eq!(replaced.code, 200);
    assert_eq!(replaced.body["metadata"]["generation"], 2);
    assert_eq!(replaced.body["metadata"]["uid"], metadata["uid"]);
    assert!(replaced.version() > created.version());

    let deleted = server.delete("discoveryregistries/main").await;
    assert_eq!((deleted.code.as_u16(), &deleted.body["status"]), (200, &json!("Success")));
    assert_eq!(deleted.body["details"]["uid"], metadata["uid"]);
    server.get("discoveryregistries/main").await.is_refused(404, "NotFound", "there is no DiscoveryRegistry");
    server.delete("discoveryregistries/main").await.is_refused(404, "NotFound", "named `main`");
}

#[tokio::test]
async fn labels_change_the_version_and_not_the_generation() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let created = server.put("reg/main", &registry("main", "http://a")).await;
    let labelled = server.patch("reg/main", &json!({"metadata": {"labels": {"tier": "web"}}})).await;
    assert_eq!(labelled.body["metadata"]["generation"], 1);
    assert!(labelled.version() > created.version());
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_and_null_gives_the_default_back() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let mut object = registry("main", "http://a");
    object["spec"]["timeout"] = json!("9s");
    assert_eq!(server.put("reg/main", &object).await.body["spec"]["timeout"], "9s");
    let patched = server.patch("reg/main", &json!({"spec": {"url": "http://b", "timeout": null}})).await;
    assert_eq!(patched.code, 200, "{}", patched.body);
    assert_eq!(
        (&patched.body["spec"]["url"], &patched.body["spec"]["timeout"]),
        (&json!("http://b"), &json!("5s"))
    );
    server.patch("reg/other", &json!({})).await.is_refused(404, "NotFound", "there is no");
    server.patch("reg/main", &json!({"spec": {"ulr": "x"}})).await.is_refused(
        422,
        "Invalid",
        "did you mean `url`?",
    );
    server.patch("reg/main", &json!({"metadata": {"name": "x"}})).await.is_refused(
        400,
        "BadRequest",
        "the URL says main",
    );
    server.patch("reg/main", &json!(7)).await.is_refused(422, "Invalid", "a document is a mapping");
    let headers = [("content-type", "application/json-patch+json")];
    let answer = server.send("PATCH", &format!("{V1}/reg/main"), &headers, b"[]".to_vec()).await;
    answer.is_refused(415, "UnsupportedMediaType", "application/merge-patch+json");
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_writes_nothing() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let answer = server.put("reg/main?dryRun=All", &registry("main", "http://a")).await;
    assert_eq!(answer.code, 201);
    assert_eq!(answer.body["spec"]["url"], "http://a");
    assert_eq!(server.get("reg/main").await.code, 404);
    server
        .put("reg/main?dryRun=All", &registry("main", "nonsense"))
        .await
        .is_refused(422, "Invalid", "spec.url");
    server.put("reg/main?dryRun=yes", &registry("main", "http://a")).await.is_refused(
        400,
        "BadRequest",
        "dryRun must be All",
    );
    server.put("reg/main", &registry("main", "http://a")).await;
    let answer = server.patch("reg/main?dryRun=All", &json!({"spec": {"url": "http://b"}})).await;
    assert_eq!((answer.code.as_u16(), &answer.body["metadata"]["generation"]), (200, &json!(2)));
    assert_eq!(server.delete("reg/main?dryRun=All").await.code, 200);
    assert_eq!(server.get("reg/main").await.body["spec"]["url"], "http://a");
}

#[tokio::test]
async fn a_write_on_an_old_version_is_a_conflict() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let first = server.put("reg/main", &registry("main", "http://a")).await;
    let second = server.put("reg/main", &registry("main", "http://b")).await;
    let path = format!("{V1}/reg/main");
    let body = |url: &str| registry("main", url).to_string().into_bytes();
    let tag = |version: u64| format!("\"{version}\"");

    let answer = server.send("PUT", &path, &[("if-match", &tag(first.version()))], body("http://c")).await;
    answer.is_refused(409, "Conflict", "has changed since");
    let mut old = registry("main", "http://c");
    old["metadata"]["resourceVersion"] = json!(first.version().to_string());
    server.put("reg/main", &old).await.is_refused(409, "Conflict", "read it again");
    server.patch("reg/main", &json!({"metadata": {"resourceVersion": "999999"}})).await.is_refused(
        409,
        "Conflict",
        "has changed",
    );
    server
        .patch("reg/main", &json!({"metadata": {"uid": "another"}}))
        .await
        .is_refused(409, "Conflict", "uid");
    let answer = server.send("DELETE", &path, &[("if-match", &tag(first.version()))], Vec::new()).await;
    answer.is_refused(409, "Conflict", "has changed");
    let answer = server.send("PUT", &path, &[("if-none-match", "*")], body("http://c")).await;
    answer.is_refused(409, "AlreadyExists", "already exists");
    let answer = server.send("PUT", &format!("{V1}/reg/none"), &[("if-match", "*")], body("http://c")).await;
    answer.is_refused(409, "Conflict", "the object no longer exists");

    let answer = server.send("PUT", &path, &[("if-match", &tag(second.version()))], body("http://c")).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    let answer = server.send("DELETE", &path, &[("if-match", "*")], Vec::new()).await;
    assert_eq!(answer.code, 200);
}

#[tokio::test]
async fn what_a_file_or_the_environment_declares_is_not_changed_by_the_api() {
    let directory = temporary();
    let made = serde_json::from_value::<portreeve::resource::discovery_registry::DiscoveryRegistrySpec>(
        json!({"url": "http://env"}),
    );
    let made = Object::new("discovery", Origin::Environment, made.expect("a spec"));
    let mut server = Server::with(directory.path(), Access::default(), vec![made]).await;
    server.declare("conf/a.yaml", &registry("main", "http://a").to_string()).await;
    let shown = server.get("reg/main").await.body;
    assert_eq!(shown["metadata"]["origin"], "directory:conf/a.yaml");
    for answer in [
        server.put("reg/main", &registry("main", "http://b")).await,
        server.patch("reg/main", &json!({"spec": {"url": "http://b"}})).await,
        server.delete("reg/main").await,
    ] {
        answer.is_refused(409, "Conflict", "declared in conf/a.yaml; change it there");
    }
    server.put("reg/discovery", &registry("discovery", "http://b")).await.is_refused(
        409,
        "Conflict",
        "environment variables",
    );
    server.delete("reg/discovery").await.is_refused(409, "Conflict", "environment variables");
    assert_eq!(server.get("reg/main").await.body, shown);
}

#[tokio::test]
async fn what_is_built_in_can_be_replaced_and_comes_back() {
    let directory = temporary();
    let mut server = Server::new(directory.path()).await;
    server.delete("heal/default").await.is_refused(409, "Conflict", "built in");
    let patched = server.patch("heal/default", &json!({"spec": {"action": "notify"}})).await;
    assert_eq!(patched.code, 200, "{}", patched.body);
    assert_eq!(patched.body["metadata"]["origin"], "api");
    server.desired.changed().await.expect("a change");
    server.desired.borrow_and_update();
    assert_eq!(server.delete("heal/default").await.code, 200);
    server.desired.changed().await.expect("a change");
    assert_eq!(server.get("heal/default").await.body["metadata"]["origin"], "built-in");
}

#[tokio::test]
async fn settings_of_the_api_leave_the_others_to_the_environment() {
    let directory = temporary();
    let spec = SettingsSpec { critical_cpu: 70, ..SettingsSpec::default() };
    let mut made = Object::new("portreeve", Origin::Environment, spec);
    made.given = ["criticalCpu".to_owned()].into();
    let mut server = Server::with(directory.path(), Access::default(), vec![made]).await;
    let answer = server.patch("settings/portreeve", &json!({"spec": {"resync": "5m"}})).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert_eq!(
        (&answer.body["spec"]["resync"], &answer.body["spec"]["criticalCpu"]),
        (&json!("5m"), &json!(70))
    );
    server.desired.changed().await.expect("a change");
    let settings = server.desired.borrow().settings.clone();
    assert_eq!((settings.resync.to_string(), settings.critical_cpu), ("5m".to_owned(), 70));
    assert_eq!(server.get("settings/portreeve").await.body, answer.body);
}

#[tokio::test]
async fn what_is_written_is_in_force_at_once() {
    let directory = temporary();
    let mut server = Server::new(directory.path()).await;
    server.put("reg/main", &registry("main", "http://localhost:1")).await;
    server.desired.changed().await.expect("a change");
    assert!(server.desired.borrow_and_update().registries.contains_key("main"));
    server.delete("reg/main").await;
    server.desired.changed().await.expect("a change");
    assert!(server.desired.borrow_and_update().registries.is_empty());
}

#[tokio::test]
async fn objects_and_their_identities_survive_a_restart() {
    let directory = temporary();
    let file = registry("filed", "http://file").to_string();
    let (written, filed) = {
        let mut server = Server::new(directory.path()).await;
        server.declare("conf/a.yaml", &file).await;
        server.put("reg/main", &registry("main", "http://a")).await;
        server.put("reg/gone", &registry("gone", "http://a")).await;
        let written = server.patch("reg/main", &json!({"spec": {"url": "http://b"}})).await.body;
        server.delete("reg/gone").await;
        let filed = server.get("reg/filed").await.body;
        wait::until("the file's identity is stored beside", wait::SOON, || async {
            let (_, rows) = server.store.objects().await.expect("objects");
            let names: Vec<_> = rows.into_iter().map(|row| row.name).collect();
            wait::is(names.iter().any(|name| name == "filed"), names)
        })
        .await;
        server.finish().await;
        (written, filed)
    };
    let mut server = Server::new(directory.path()).await;
    assert_eq!(server.get("reg/main").await.body["metadata"], written["metadata"]);
    assert_eq!(server.get("reg/main").await.body["spec"], written["spec"]);
    assert_eq!(server.get("reg/gone").await.code, 404);
    assert!(server.desired.borrow().registries.contains_key("main"));
    // The first set of this rig is empty, which is a file deleted; then it comes back as another object.
    server.declare("conf/a.yaml", &file).await;
    assert_ne!(server.get("reg/filed").await.body["metadata"]["uid"], filed["metadata"]["uid"]);
    let later = server.put("reg/gone", &registry("gone", "http://a")).await;
    let before: u64 =
        written["metadata"]["resourceVersion"].as_str().expect("text").parse().expect("a number");
    assert!(later.version() > before + 1, "the deletion had a version of its own");
}

#[tokio::test]
async fn writes_side_by_side_are_all_made_and_none_twice() {
    let directory = temporary();
    let server = Arc::new(Server::new(directory.path()).await);
    let writes = (0..200).map(|index| {
        let server = server.clone();
        tokio::spawn(async move {
            let name = format!("r{}", index % 50);
            server
                .put(&format!("reg/{name}"), &registry(&name, &format!("http://h{index}")))
                .await
                .code
                .as_u16()
        })
    });
    let mut created = 0;
    for write in writes.collect::<Vec<_>>() {
        match write.await.expect("an answer") {
            201 => created += 1,
            code => assert_eq!(code, 200),
        }
    }
    assert_eq!(created, 50);
    assert_eq!(server.get("reg").await.body["items"].as_array().expect("items").len(), 50);
}

/// Not a bench: a guard against work that grows with the square of what is there.
#[tokio::test]
async fn applying_a_thousand_objects_takes_no_time_that_grows_with_each() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let mut halves = Vec::new();
    for half in 0..2 {
        let began = std::time::Instant::now();
        for index in 0..500 {
            let name = format!("r{half}-{index}");
            assert_eq!(server.put(&format!("reg/{name}"), &registry(&name, "http://a")).await.code, 201);
        }
        halves.push(began.elapsed());
    }
    println!("500 applied one by one in {:?}, 500 more in {:?}", halves[0], halves[1]);
    assert!(halves[1] < halves[0] * 5 + std::time::Duration::from_secs(5), "{halves:?}");
}

#[tokio::test]
async fn an_object_is_posted_to_its_collection_once() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let post = async |path: &str, body: &serde_json::Value| {
        server.send("POST", &format!("{V1}/{path}"), &[], body.to_string().into_bytes()).await
    };
    let object = registry("main", "http://localhost:7000");
    let dry = post("reg?dryRun=All", &object).await;
    assert_eq!(dry.code, 201, "{}", dry.body);
    server.get("reg/main").await.is_refused(404, "NotFound", "named `main`");
    let created = post("reg", &object).await;
    assert_eq!(created.code, 201, "{}", created.body);
    assert_eq!(created.headers["location"], format!("{V1}/discoveryregistries/main"));
    assert_eq!(created.headers["etag"], format!("\"{}\"", created.version()));
    assert_eq!(server.get("reg/main").await.body, created.body);
    for path in ["reg", "reg?dryRun=All", "discoveryregistries"] {
        post(path, &object).await.is_refused(409, "AlreadyExists", "already exists");
    }
    post("bill", &object).await.is_refused(400, "BadRequest", "is a DiscoveryRegistry");
    post("reg", &json!({"metadata": {}})).await.is_refused(422, "Invalid", "metadata.name must be a text");
    post("reg", &json!([])).await.is_refused(422, "Invalid", "metadata.name must be a text");
    post("reg", &registry("a/b", "http://a")).await.is_refused(422, "Invalid", "name");
    post("reg?preview=true&dryRun=All", &object).await.is_refused(400, "BadRequest", "preview");
    assert_eq!(server.send("POST", &format!("{V1}/containers"), &[], b"{}".to_vec()).await.code, 405);
}

#[tokio::test]
async fn what_a_file_declares_is_previewed_as_if_the_file_read_so() {
    let directory = temporary();
    let spec = SettingsSpec { critical_cpu: 70, ..SettingsSpec::default() };
    let mut made = Object::new("portreeve", Origin::Environment, spec);
    made.given = ["criticalCpu".to_owned()].into();
    let mut server = Server::with(directory.path(), Access::default(), vec![made]).await;
    let settings = |spec: serde_json::Value| json!({"apiVersion": "portreeve/v1", "kind": "Settings", "metadata": {"name": "portreeve"}, "spec": spec});
    server.declare("conf/a.yaml", &settings(json!({"resync": "5m", "criticalCpu": 80})).to_string()).await;
    let before = server.get("settings/portreeve").await.body;
    assert_eq!(before["spec"]["criticalCpu"], 80);
    let changed = settings(json!({"resync": "7m"}));
    server.put("settings/portreeve?dryRun=All", &changed).await.is_refused(
        409,
        "Conflict",
        "change it there",
    );
    assert_eq!(server.put("settings/portreeve?preview=true", &changed).await.code, 200);
    assert_eq!(server.get("settings/portreeve").await.body, before);
    let preview = server.put("settings/portreeve?dryRun=All&preview=true", &changed).await;
    assert_eq!(preview.code, 200, "{}", preview.body);
    // What the file leaves out comes from the environment again.
    assert_eq!(
        (&preview.body["spec"]["resync"], &preview.body["spec"]["criticalCpu"]),
        (&json!("7m"), &json!(70))
    );
    assert_eq!(preview.body["metadata"]["origin"], "directory:conf/a.yaml");
    assert_eq!(server.get("settings/portreeve").await.body, before);
    let faulty = settings(json!({"resinc": "7m"}));
    let faulty = server.put("settings/portreeve?dryRun=All&preview=true", &faulty).await;
    faulty.is_refused(422, "Invalid", "did you mean `resync`");
}

#[tokio::test]
async fn a_policy_of_the_environment_is_replaced_and_comes_back() {
    let directory = temporary();
    let policy = |label: &str| {
        json!({"apiVersion": "portreeve/v1", "kind": "AutohealPolicy", "metadata": {"name": "default"},
               "spec": {"selector": {"labels": {label: "true"}}}})
    };
    let spec: portreeve::resource::autoheal_policy::AutohealPolicySpec =
        serde_json::from_value(policy("mine")["spec"].clone()).expect("a spec");
    let made = Object::new("default", Origin::Environment, spec);
    let mut server = Server::with(directory.path(), Access::default(), vec![made]).await;
    assert_eq!(server.get("heal/default").await.body["metadata"]["origin"], "environment");
    let replaced = server.put("heal/default", &policy("theirs")).await;
    assert_eq!((replaced.code.as_u16(), &replaced.body["metadata"]["origin"]), (200, &json!("api")));
    server.desired.changed().await.expect("a change");
    server.desired.borrow_and_update();
    assert_eq!(server.delete("heal/default").await.code, 200);
    server.desired.changed().await.expect("a change");
    assert_eq!(server.get("heal/default").await.body["metadata"]["origin"], "environment");
    server.delete("heal/default").await.is_refused(409, "Conflict", "environment");
}

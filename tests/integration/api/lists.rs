//! Lists: selectors, pages, and what can only be read.

use serde_json::{Value, json};

use super::{Server, V1, labelled, temporary};

fn names(body: &Value) -> Vec<&str> {
    let items = body["items"].as_array().expect("items");
    items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn a_list_is_selected_by_labels() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    server.put("reg/a", &labelled("a", json!({"tier": "web"}))).await;
    server.put("reg/b", &labelled("b", json!({"tier": "db", "old": ""}))).await;
    server.put("reg/c", &labelled("c", json!({}))).await;
    for (selector, expected) in [
        ("", &["a", "b", "c"][..]),
        ("tier=web", &["a"]),
        ("tier", &["a", "b"]),
        ("!tier", &["c"]),
        ("tier!=web", &["b", "c"]),
        ("tier%20in%20(web,db),!old", &["a"]),
        ("tier%20notin%20(web)", &["b", "c"]),
    ] {
        let list = server.get(&format!("discoveryregistries?labelSelector={selector}")).await;
        assert_eq!(names(&list.body), expected, "{selector}");
    }
    let list = server.get("reg").await.body;
    assert_eq!(
        (&list["apiVersion"], &list["kind"]),
        (&json!("portreeve/v1"), &json!("DiscoveryRegistryList"))
    );
    assert!(list["metadata"]["resourceVersion"].is_string());
    server.get("reg?labelSelector=a%20in%20b").await.is_refused(400, "BadRequest", "labelSelector: ");
    server.get("reg?labelSelecto=a").await.is_refused(400, "BadRequest", "did you mean \"labelSelector\"?");
}

#[tokio::test]
async fn a_list_is_read_page_by_page_while_objects_come_and_go() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    for name in ["a", "b", "c", "d", "e"] {
        server.put(&format!("reg/{name}"), &labelled(name, json!({}))).await;
    }
    let first = server.get("reg?limit=2").await.body;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    server.delete("reg/b").await;
    server.put("reg/bb", &labelled("bb", json!({}))).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let second = server.get(&format!("reg?limit=3&continue={token}")).await.body;
    assert_eq!(names(&second), ["bb", "c", "d"]);
    let token = second["metadata"]["continue"].as_str().expect("a token");
    let last = server.get(&format!("reg?limit=3&continue={token}")).await.body;
    assert_eq!(names(&last), ["e"]);
    assert!(last["metadata"]["continue"].is_null());
    server.get("reg?continue=xyz").await.is_refused(400, "BadRequest", "continue is not a token");
    server.get("reg?limit=-1").await.is_refused(400, "BadRequest", "limit must be a whole number");
}

#[tokio::test]
async fn every_kind_is_listed_with_its_names_and_verbs() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let list = server.send("GET", V1, &[], Vec::new()).await.body;
    assert_eq!((&list["kind"], &list["groupVersion"]), (&json!("APIResourceList"), &json!("portreeve/v1")));
    for resource in list["resources"].as_array().expect("resources") {
        let name = resource["name"].as_str().expect("a name");
        let answer = server.get(name).await;
        assert_eq!(answer.code, 200, "{name}: {}", answer.body);
        let kind = resource["kind"].as_str().expect("a kind");
        assert_eq!(answer.body["kind"], format!("{kind}List"));
        for short in resource["shortNames"].as_array().expect("short names") {
            let short = server.get(short.as_str().expect("text")).await;
            assert_eq!(short.body["kind"], answer.body["kind"]);
        }
    }
}

#[tokio::test]
async fn what_is_built_in_is_listed_with_an_identity() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let list = server.get("autohealpolicies").await.body;
    assert_eq!(names(&list), ["default"]);
    assert_eq!(list["items"][0]["metadata"]["origin"], "built-in");
    assert!(list["items"][0]["metadata"]["uid"].is_string());
}

#[tokio::test]
async fn what_containers_use_is_measured_only_where_that_is_asked_for() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    for (asked, expected) in [("", 200), ("?usage=true", 200), ("?usage", 200), ("?usage=false", 200)] {
        assert_eq!(server.get(&format!("containers{asked}")).await.code, expected, "{asked}");
    }
    server.get("containers?usage=perhaps").await.is_refused(400, "BadRequest", "usage must be true or false");
    server.get("containers/web?usge=true").await.is_refused(400, "BadRequest", "did you mean \"usage\"?");
    server.get("containers/web?usage=true").await.is_refused(404, "NotFound", "no container named `web`");
    server.get("settings?usage=true").await.is_refused(400, "BadRequest", "\"usage\" is not a parameter");
    server.get("settings/portreeve?usage=true").await.is_refused(400, "BadRequest", "this route takes none");
}

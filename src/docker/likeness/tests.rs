use serde_json::{Value, json};

use super::*;

const ID: &str = "4f5a6b7c8d9e4f5a6b7c8d9e4f5a6b7c8d9e4f5a6b7c8d9e4f5a6b7c8d9e4f5a";

fn seen(change: impl FnOnce(&mut Value)) -> ContainerInspectResponse {
    let mut answer = json!({
        "Id": ID, "Name": "/web", "Image": "sha256:1",
        "Config": {
            "Hostname": "4f5a6b7c8d9e", "Image": "nginx", "Env": ["A=1"], "Labels": {"tier": "web"},
            "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "Cmd": ["serve"],
        },
        "HostConfig": {"NetworkMode": "front", "Binds": ["named:/named:ro"], "Memory": 1048576},
        "Mounts": [],
        "NetworkSettings": {"Networks": {
            "front": {"Aliases": ["4f5a6b7c8d9e", "www"], "IPAMConfig": {"IPv4Address": "10.1.0.7"},
                      "IPAddress": "10.1.0.7", "NetworkID": "n1", "EndpointID": "e1", "MacAddress": "02:42:0a:01:00:07"},
            "back": {"Aliases": ["4f5a6b7c8d9e"], "IPAddress": "10.2.0.3", "NetworkID": "n2"},
        }},
    });
    change(&mut answer);
    serde_json::from_value(answer).expect("an inspect")
}

fn sent(answer: &ContainerInspectResponse, parent: Option<&str>) -> (Value, Vec<(String, Value)>) {
    let Likeness { body, networks } = likeness(answer, "nginx".to_owned(), parent).expect("a likeness");
    let value = |endpoint| serde_json::to_value(endpoint).expect("JSON");
    let networks = networks.into_iter().map(|(name, endpoint)| (name, value(endpoint))).collect();
    (serde_json::to_value(body).expect("JSON"), networks)
}

#[test]
fn what_was_asked_for_is_asked_for_again_and_what_was_made_up_is_not() {
    let (body, networks) = sent(&seen(|_| {}), None);
    assert_eq!(body["Hostname"], Value::Null);
    for (field, value) in [
        ("Image", json!("nginx")),
        ("Env", json!(["A=1"])),
        ("Cmd", json!(["serve"])),
        ("Labels", json!({"tier": "web"})),
        ("ExposedPorts", json!({"80/tcp": {}})),
        ("Volumes", json!({"/data": {}})),
    ] {
        assert_eq!(body[field], value, "{field}");
    }
    assert_eq!(body["HostConfig"]["Memory"], 1_048_576);
    let front = json!({"front": {"Aliases": ["www"], "IPAMConfig": {"IPv4Address": "10.1.0.7"}}});
    assert_eq!(body["NetworkingConfig"]["EndpointsConfig"], front);
    assert_eq!(networks, [("back".to_owned(), json!({}))]);
    let (named, _) = sent(&seen(|answer| answer["Config"]["Hostname"] = json!("www")), None);
    assert_eq!(named["Hostname"], "www");
}

#[test]
fn volumes_without_a_name_are_kept_by_the_name_that_they_were_given() {
    let (body, _) = sent(
        &seen(|answer| {
            answer["HostConfig"]["Mounts"] = json!([
                {"Type": "volume", "Target": "/cache"}, {"Type": "volume", "Source": "mine", "Target": "/mine"},
            ]);
            let point = |name: &str, target: &str| json!({"Type": "volume", "Name": name, "Destination": target, "RW": true});
            answer["Mounts"] = json!([
                point("aaa", "/data"), point("bbb", "/cache"), point("mine", "/mine"), point("named", "/named"),
                {"Type": "bind", "Source": "/srv", "Destination": "/srv", "RW": true},
            ]);
        }),
        None,
    );
    assert_eq!(body["HostConfig"]["Binds"], json!(["named:/named:ro", "aaa:/data"]));
    let sources: Vec<&Value> = body["HostConfig"]["Mounts"]
        .as_array()
        .expect("mounts")
        .iter()
        .map(|mount| &mount["Source"])
        .collect();
    assert_eq!(sources, ["bbb", "mine"]);
}

#[test]
fn who_shares_a_network_has_no_name_and_ports_of_its_own_and_follows_its_parent() {
    let shares = |answer: &mut Value| {
        answer["HostConfig"]["NetworkMode"] = json!("container:old");
        answer["Config"]["Hostname"] = json!("parent");
        answer["NetworkSettings"]["Networks"] = json!({});
    };
    let (body, networks) = sent(&seen(shares), None);
    assert_eq!(body["HostConfig"]["NetworkMode"], "container:old");
    assert_eq!([&body["Hostname"], &body["ExposedPorts"], &body["NetworkingConfig"]], [&Value::Null; 3]);
    assert!(networks.is_empty());
    assert_eq!(sent(&seen(shares), Some("new")).0["HostConfig"]["NetworkMode"], "container:new");
}

#[test]
fn links_are_asked_for_as_they_were() {
    let linked = |answer: &mut Value| answer["HostConfig"]["Links"] = json!(["/db:/web/store"]);
    assert_eq!(sent(&seen(linked), None).0["HostConfig"]["Links"], json!(["db:store"]));
}

#[test]
fn the_default_bridge_goes_by_two_names() {
    let bridge = |answer: &mut Value| {
        answer["HostConfig"]["NetworkMode"] = json!("default");
        answer["NetworkSettings"]["Networks"] = json!({"bridge": {"IPAddress": "172.17.0.2"}, "a": {}});
    };
    let (body, networks) = sent(&seen(bridge), None);
    assert_eq!(body["NetworkingConfig"]["EndpointsConfig"], json!({"bridge": {}}));
    assert_eq!(networks, [("a".to_owned(), json!({}))]);
}

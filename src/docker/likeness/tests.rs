use serde_json::{Value, json};

use super::*;

const ID: &str = "4f5a6b7c8d9e4f5a6b7c8d9e4f5a6b7c8d9e4f5a6b7c8d9e4f5a6b7c8d9e4f5a";

fn seen(change: impl FnOnce(&mut Value)) -> Value {
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
    answer
}

fn sent(answer: &Value, parent: Option<&str>) -> (Value, Vec<(String, Value)>) {
    sent_beside(answer, &Beside { image: "nginx".to_owned(), parent, ..Beside::default() })
}

fn sent_beside(answer: &Value, beside: &Beside<'_>) -> (Value, Vec<(String, Value)>) {
    let Likeness { body, networks, leaves: _ } = likeness(answer, beside).expect("a likeness");
    let value = |endpoint| serde_json::to_value(endpoint).expect("JSON");
    let networks = networks.into_iter().map(|(name, endpoint)| (name, value(endpoint))).collect();
    (body, networks)
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
    assert_eq!(body["HostConfig"]["Binds"], json!(["named:/named:ro", "aaa:/data", "/srv:/srv"]));
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

/// `-v data:/data/` and `--mount target=/cache/.`: the engine shows `/data` and `/cache` (dockhand#583, portainer#8828).
#[test]
fn targets_are_compared_as_paths_however_they_were_written() {
    let (body, _) = sent(
        &seen(|answer| {
            answer["Config"]["Volumes"] = json!({"/anonymous/": {}});
            answer["HostConfig"]["Binds"] = json!(["named:/named/:ro", "/srv/x:/srv//x"]);
            answer["HostConfig"]["Mounts"] = json!([{"Type": "volume", "Target": "/cache/."}]);
            let point = |name: &str, target: &str| json!({"Type": "volume", "Name": name, "Destination": target, "RW": true});
            answer["Mounts"] = json!([point("named", "/named"), point("ccc", "/cache"), point("aaa", "/anonymous"),
                {"Type": "bind", "Source": "/srv/x", "Destination": "/srv/x", "RW": true}]);
        }),
        None,
    );
    assert_eq!(body["HostConfig"]["Binds"], json!(["named:/named/:ro", "/srv/x:/srv//x", "aaa:/anonymous"]));
    assert_eq!(
        body["HostConfig"]["Mounts"],
        json!([{"Type": "volume", "Target": "/cache/.", "Source": "ccc"}])
    );
    for (written, shown) in [("/data/", "/data"), ("//a/./b/../c//", "/a/c"), ("/..", "/"), ("a", "/a")] {
        assert_eq!(clean(written), shown, "{written}");
    }
}

#[test]
fn what_the_client_library_has_no_field_for_is_kept() {
    let (body, _) = sent(
        &seen(|answer| {
            answer["Config"]["MacAddress"] = json!("02:11:22:33:44:55");
            answer["HostConfig"]["KernelMemory"] = json!(7);
            answer["HostConfig"]["OfTomorrow"] = json!({"x": 1});
        }),
        None,
    );
    assert_eq!(body["MacAddress"], "02:11:22:33:44:55");
    assert_eq!(body["HostConfig"]["KernelMemory"], 7);
    assert_eq!(body["HostConfig"]["OfTomorrow"], json!({"x": 1}));
}

#[test]
fn a_mac_address_is_asked_for_again_unless_the_engine_made_it_of_the_address() {
    let mac = |mac: &str| {
        let (body, _) = sent(
            &seen(|answer| answer["NetworkSettings"]["Networks"]["front"]["MacAddress"] = json!(mac)),
            None,
        );
        body["NetworkingConfig"]["EndpointsConfig"]["front"]["MacAddress"].clone()
    };
    assert_eq!(mac("02:42:0a:01:00:07"), Value::Null);
    assert_eq!(mac("02:11:22:33:44:55"), "02:11:22:33:44:55");
    assert_eq!(mac(""), Value::Null);
}

#[test]
fn an_entrypoint_that_was_taken_away_does_not_come_back_with_the_image() {
    let entrypoint = |entrypoint: bool, own: Value| {
        let beside = Beside { entrypoint, ..Beside::default() };
        sent_beside(&seen(|answer| answer["Config"]["Entrypoint"] = own), &beside).0["Entrypoint"].clone()
    };
    assert_eq!(entrypoint(true, Value::Null), json!([""]));
    assert_eq!(entrypoint(true, json!(["/own"])), json!(["/own"]));
    assert_eq!(entrypoint(false, Value::Null), Value::Null);
}

#[test]
fn volumes_of_another_container_are_had_from_it_until_it_is_gone() {
    let from = seen(|answer| {
        answer["HostConfig"]["VolumesFrom"] = json!(["store:ro"]);
        answer["Mounts"] = json!([
            {"Type": "volume", "Name": "sss", "Destination": "/store", "RW": false},
            {"Type": "bind", "Source": "/srv", "Destination": "/srv", "RW": true},
            {"Type": "volume", "Name": "aaa", "Destination": "/data", "RW": true},
        ]);
    });
    let host = |sources_gone| {
        let body = sent_beside(&from, &Beside { sources_gone, ..Beside::default() }).0;
        (body["HostConfig"]["VolumesFrom"].clone(), body["HostConfig"]["Binds"].clone())
    };
    assert_eq!(host(false), (json!(["store:ro"]), json!(["named:/named:ro", "aaa:/data"])));
    let all = json!(["named:/named:ro", "sss:/store:ro", "/srv:/srv", "aaa:/data"]);
    assert_eq!(host(true), (Value::Null, all));
}

#[test]
fn one_that_was_disconnected_from_its_network_is_not_connected_to_it_again() {
    let leaves = |networks: Value, mode: &str| {
        let answer = seen(|answer| {
            answer["NetworkSettings"]["Networks"] = networks;
            answer["HostConfig"]["NetworkMode"] = json!(mode);
        });
        likeness(&answer, &Beside::default()).expect("a likeness").leaves
    };
    assert_eq!(leaves(json!({}), "front").as_deref(), Some("front"));
    assert_eq!(leaves(json!({}), "default").as_deref(), Some("bridge"));
    assert_eq!(leaves(json!({"back": {}}), "front"), None);
    assert_eq!(leaves(json!({}), "none"), None);
    assert_eq!(leaves(json!({}), "container:x"), None);
}

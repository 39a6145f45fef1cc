//! What a container is made from survives that it is made anew: every option of `docker run` that a test engine can bear,
//! compared as the engine's own document shows it before and after.

use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerConfig, ContainerCreateBody, Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};
use futures_util::TryStreamExt;
use portreeve::docker::Client;
use portreeve::guard::Guard;
use portreeve::resource::docker_host::DockerHostSpec;
use serde_json::{Value, json};

use crate::support::engine::Engine;
use crate::support::image::{IDLE, IMAGE};

/// The engine's document of a container, whole.
async fn document(docker: &Docker, name: &str) -> Value {
    let raw = docker.clone().with_request_modifier(|mut request| {
        let uri = request.uri().to_string().replace("/export", "/json");
        *request.uri_mut() = uri.parse().unwrap();
        request
    });
    let pieces: Vec<_> = raw.export_container(name).try_collect().await.unwrap();
    serde_json::from_slice(&pieces.concat()).unwrap()
}

/// Makes a container of a whole document, and starts it.
async fn run(docker: &Docker, name: &str, body: &Value) -> String {
    let mut body = body.clone();
    for (field, value) in [("Image", json!(IMAGE)), ("StopTimeout", json!(2))] {
        body.as_object_mut().unwrap().entry(field).or_insert(value);
    }
    let bytes = serde_json::to_vec(&body).unwrap();
    let raw = docker.clone().with_request_modifier(move |mut request| {
        *request.body_mut() = bollard::body_full(bytes.clone().into());
        request
    });
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    let made = raw.create_container(Some(options), ContainerCreateBody::default()).await;
    let id = made.unwrap_or_else(|error| panic!("{name}: {error}")).id;
    let started = docker.start_container(&id, None::<StartContainerOptions>).await;
    started.unwrap_or_else(|error| panic!("{name}: {error}"));
    id
}

/// All that lasts: without what the engine chooses for each container and each run.
fn lasting(seen: &Value) -> Value {
    let mut seen = seen.clone();
    let short = seen["Id"].as_str().unwrap()[..12].to_owned();
    let top = seen.as_object_mut().unwrap();
    for chosen in [
        "Id",
        "Created",
        "State",
        "ResolvConfPath",
        "HostnamePath",
        "HostsPath",
        "LogPath",
        "GraphDriver",
        "ExecIDs",
    ] {
        top.remove(chosen);
    }
    if top["Config"]["Hostname"] == *short {
        top["Config"].as_object_mut().unwrap().remove("Hostname");
    }
    // A volume without a name is mounted by its name afterwards: it is compared in `Mounts`.
    let is_hash = |name: &str| name.len() == 64;
    let binds = top["HostConfig"]["Binds"].as_array().cloned().unwrap_or_default().into_iter();
    let named = binds.filter(|bind| !is_hash(bind.as_str().unwrap().split(':').next().unwrap()));
    top["HostConfig"]["Binds"] = named.collect();
    for mount in top["HostConfig"]["Mounts"].as_array_mut().into_iter().flatten() {
        if mount["Source"].as_str().is_some_and(is_hash) {
            mount.as_object_mut().unwrap().remove("Source");
        }
    }
    // The engine lists them as they come.
    if let Some(links) = top["HostConfig"]["Links"].as_array_mut() {
        links.sort_by_key(Value::to_string);
    }
    let mounts = top["Mounts"].as_array_mut().unwrap();
    mounts.sort_by_key(|mount| mount["Destination"].to_string());
    for mount in mounts {
        // Of a volume without a name it is empty, and of the same volume by name it is `z`.
        mount.as_object_mut().unwrap().remove("Mode");
    }
    let networks = top["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
    let asked = networks.into_iter().map(|(name, mut endpoint)| {
        let fixed = endpoint["IPAMConfig"].is_object();
        let mut aliases = endpoint["Aliases"].as_array().cloned().unwrap_or_default();
        aliases.retain(|alias| *alias != *short);
        endpoint["Aliases"] = aliases.into();
        let endpoint = endpoint.as_object_mut().unwrap();
        endpoint.remove("EndpointID");
        if !fixed {
            endpoint.remove("IPAddress");
        }
        let mac = endpoint["MacAddress"].as_str().unwrap_or_default();
        if !fixed && mac.starts_with("02:42:") {
            endpoint.remove("MacAddress");
        }
        (name, Value::Object(endpoint.clone()))
    });
    let networks: Value = Value::Object(asked.collect());
    let mut ports = top["NetworkSettings"]["Ports"].clone();
    // Those that the engine chooses are others each time; that there are any is in HostConfig.
    let fixed = top["HostConfig"]["PublishAllPorts"] != true;
    for (port, bindings) in ports.as_object_mut().into_iter().flatten() {
        let asked = top["HostConfig"]["PortBindings"][port].as_array().cloned().unwrap_or_default();
        if asked.iter().any(|asked| matches!(asked["HostPort"].as_str(), Some("" | "0"))) {
            for binding in bindings.as_array_mut().into_iter().flatten() {
                binding.as_object_mut().unwrap().remove("HostPort");
            }
        }
    }
    top.insert("NetworkSettings".to_owned(), json!({"Networks": networks, "Ports": fixed.then_some(ports)}));
    seen
}

/// Where what lasts of two documents differs.
pub(super) fn changed(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differences("", &lasting(before), &lasting(after), &mut found);
    found
}

fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                differences(&format!("{path}/{key}"), &before[key], &after[key], found);
            }
        }
        _ if before == after => {}
        _ => found.push(format!("{path}: {before} -> {after}")),
    }
}

struct Bench {
    engine: Engine,
    client: Client,
}

impl Bench {
    async fn new() -> Self {
        let engine = Engine::own().await;
        let spec = DockerHostSpec { endpoint: engine.endpoint().to_owned(), ..DockerHostSpec::default() };
        let (client, _) = Client::connect(&Arc::from("local"), &spec, &Guard::default()).await.unwrap();
        Self { engine, client }
    }

    /// Makes a container, has it made anew twice, and sees that all of it is as it was.
    async fn keeps(&self, name: &str, body: Value) {
        let docker = self.engine.docker();
        let id = run(&docker, name, &body).await;
        self.stays_as_it_is(name, &id).await;
    }

    async fn stays_as_it_is(&self, name: &str, id: &str) {
        let docker = self.engine.docker();
        let before = document(&docker, id).await;
        let mut id = id.to_owned();
        // Once more: what was made anew must be fit for it, too, and must not grow.
        let mut binds = Vec::new();
        for _ in 0..2 {
            let new = self.client.recreate(&id, Duration::from_secs(2), None).await;
            let new = new.unwrap_or_else(|error| panic!("{name}: {error}"));
            let after = document(&docker, &new).await;
            assert_ne!(new, id);
            assert_eq!(after["State"]["Running"], true, "{name}");
            assert_eq!(changed(&before, &after), Vec::<String>::new(), "{name}");
            binds.push(after["HostConfig"]["Binds"].clone());
            id = new;
        }
        assert_eq!(binds[0], binds[1], "{name}");
    }
}

pub(super) async fn network(docker: &Docker, name: &str, subnet: &str) {
    let config = IpamConfig { subnet: Some(subnet.to_owned()), ..IpamConfig::default() };
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
        ..NetworkCreateRequest::default()
    };
    docker.create_network(request).await.unwrap();
}

#[tokio::test]
async fn every_option_of_docker_run_survives() {
    let bench = Bench::new().await;
    let docker = bench.engine.docker();
    network(&docker, "front", "10.232.1.0/24").await;
    let host = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        let path = host.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path.display().to_string()
    };
    bench
        .keeps(
            "process",
            json!({
                "Hostname": "own-name", "Domainname": "example.test", "User": "0:0", "Tty": true, "OpenStdin": true,
                "AttachStdout": true, "Env": ["COLOUR=blue", "EMPTY="], "Entrypoint": [IDLE], "Cmd": ["one", "two words"],
                "WorkingDir": "/tmp", "StopSignal": "SIGINT", "Labels": {"tier": "front", "empty": ""},
                "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 30_000_000_000_i64, "Timeout": 5_000_000_000_i64,
                                "StartPeriod": 1_000_000_000_i64, "Retries": 4},
                "HostConfig": {
                    "Init": true, "CapAdd": ["NET_ADMIN"], "CapDrop": ["MKNOD"], "GroupAdd": ["7", "8"], "OomScoreAdj": 100,
                    "IpcMode": "shareable", "ShmSize": 33_554_432, "SecurityOpt": ["no-new-privileges"], "Runtime": "runc",
                    "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "80"},
                    "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
                    "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "r"}],
                    "DeviceCgroupRules": ["c 1:3 r"], "Memory": 67_108_864, "MemoryReservation": 33_554_432,
                    "MemorySwap": 134_217_728, "NanoCpus": 500_000_000, "CpuShares": 512, "CpusetCpus": "0", "PidsLimit": 64,
                    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2", "tag": "x"}},
                    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
                    "ReadonlyPaths": ["/proc/bus"], "MaskedPaths": [],
                },
            }),
        )
        .await;
    bench
        .keeps(
            "storage",
            json!({
                "Volumes": {"/anonymous/": {}},
                "HostConfig": {
                    "Binds": ["data:/data/", format!("{}:/bound/:ro", path("one")), format!("{}:/shared:rprivate", path("two"))],
                    "Mounts": [
                        {"Type": "volume", "Target": "/cache/"}, {"Type": "volume", "Source": "mine", "Target": "/mine/", "ReadOnly": true},
                        {"Type": "bind", "Source": path("three"), "Target": "/three/", "ReadOnly": true,
                         "BindOptions": {"Propagation": "rprivate"}},
                        {"Type": "tmpfs", "Target": "/run/", "TmpfsOptions": {"SizeBytes": 1_048_576, "Mode": 448}},
                    ],
                    "Tmpfs": {"/scratch/": "size=1m,mode=700"}, "ReadonlyRootfs": true,
                },
            }),
        )
        .await;
    bench
        .keeps(
            "network",
            json!({
                "MacAddress": "02:11:22:33:44:55", "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
                "HostConfig": {
                    "NetworkMode": "front", "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "28080"}],
                                                             "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "28053"}]},
                    "Dns": ["10.9.9.8"], "DnsOptions": ["ndots:2"], "DnsSearch": ["example.test"], "ExtraHosts": ["db:10.9.9.9"],
                },
                "NetworkingConfig": {"EndpointsConfig": {"front": {
                    "IPAMConfig": {"IPv4Address": "10.232.1.77"}, "Aliases": ["www", "web"],
                }}},
            }),
        )
        .await;
    bench
        .keeps("mac", json!({"MacAddress": "02:11:22:33:44:66", "HostConfig": {"PublishAllPorts": true}}))
        .await;
    bench
        .keeps(
            // Without `Privileged`: not every machine that runs this may give all capabilities away.
            "namespaces",
            json!({"HostConfig": {"PidMode": "host", "CgroupnsMode": "host"}}),
        )
        .await;
    bench
        .keeps("hosts", json!({"HostConfig": {"NetworkMode": "host", "UTSMode": "host", "IpcMode": "host"}}))
        .await;
    bench.keeps("alone", json!({"NetworkDisabled": true, "HostConfig": {"NetworkMode": "none"}})).await;
    bench
        .keeps(
            "unchecked",
            json!({"Healthcheck": {"Test": ["NONE"]}, "HostConfig": {"RestartPolicy": {"Name": "always"}}}),
        )
        .await;
}

#[tokio::test]
async fn what_a_container_has_of_others_survives() {
    let bench = Bench::new().await;
    let docker = bench.engine.docker();
    for (name, subnet) in [("front", "10.232.2.0/24"), ("back", "10.232.3.0/24")] {
        network(&docker, name, subnet).await;
    }
    let vpn = json!({"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}}});
    run(&docker, "vpn", &vpn).await;
    run(&docker, "db", &json!({})).await;
    run(
        &docker,
        "store",
        &json!({"Volumes": {"/kept": {}}, "HostConfig": {"Binds": ["named:/named"], "IpcMode": "shareable"}}),
    )
    .await;
    bench.keeps("app", json!({"HostConfig": {"NetworkMode": "container:vpn"}})).await;
    bench.keeps("linked", json!({"HostConfig": {"Links": ["db:data", "vpn:way"]}})).await;
    bench
        .keeps("beside", json!({"HostConfig": {"IpcMode": "container:store", "PidMode": "container:store"}}))
        .await;
    bench.keeps("heir", json!({"HostConfig": {"VolumesFrom": ["store:ro"]}})).await;
    // In two networks, with something to ask for in each.
    let endpoint =
        |address: &str, alias: &str| json!({"IPAMConfig": {"IPv4Address": address}, "Aliases": [alias]});
    let both = json!({
        "HostConfig": {"NetworkMode": "front"},
        "NetworkingConfig": {"EndpointsConfig": {"front": endpoint("10.232.2.50", "www")}},
    });
    let id = run(&docker, "both", &both).await;
    let also = json!({"Container": id, "EndpointConfig": endpoint("10.232.3.50", "behind")});
    docker.connect_network("back", serde_json::from_value(also).unwrap()).await.unwrap();
    bench.stays_as_it_is("both", &id).await;
    // Disconnected from all of them.
    let id = run(&docker, "apart", &json!({"HostConfig": {"NetworkMode": "front"}})).await;
    let leaves = json!({"Container": id, "Force": false});
    docker.disconnect_network("front", serde_json::from_value(leaves).unwrap()).await.unwrap();
    bench.stays_as_it_is("apart", &id).await;
    // Whose volumes it has is gone: what is in them is kept all the same.
    let before = document(&docker, "heir").await;
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    docker.remove_container("beside", Some(options.clone())).await.unwrap();
    docker.remove_container("store", Some(options)).await.unwrap();
    let new =
        bench.client.recreate(before["Id"].as_str().unwrap(), Duration::from_secs(2), None).await.unwrap();
    let after = document(&docker, &new).await;
    let volumes = |seen: &Value| {
        let mounts = seen["Mounts"].as_array().unwrap().iter();
        let mut all: Vec<String> = mounts
            .map(|mount| format!("{} {} {}", mount["Destination"], mount["Name"], mount["RW"]))
            .collect();
        all.sort();
        all
    };
    assert_eq!(volumes(&before), volumes(&after));
    assert_eq!(volumes(&before).len(), 2);
}

#[tokio::test]
async fn an_entrypoint_that_was_taken_away_stays_away() {
    let bench = Bench::new().await;
    let docker = bench.engine.docker();
    run(&docker, "base", &json!({})).await;
    let options =
        CommitContainerOptionsBuilder::default().container("base").repo("with-entrypoint").tag("1").build();
    let config =
        ContainerConfig { entrypoint: Some(vec!["/bin/false".to_owned()]), ..ContainerConfig::default() };
    docker.commit_container(options, config).await.unwrap();
    bench.keeps("plain", json!({"Image": "with-entrypoint:1", "Entrypoint": [""], "Cmd": [IDLE]})).await;
}

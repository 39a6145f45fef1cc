//! Our own network fails: nobody outside is to blame.

use std::process::Command;

use serde_json::Value;
use tokio::net::{TcpListener, UdpSocket};

use crate::support::alone::alone;
use crate::support::portreeve::Portreeve;
use crate::support::wait;

const HOSTS: [&str; 3] = ["10.99.0.1", "10.99.0.2", "10.99.0.3"];

fn ip(args: &str) {
    let status = Command::new("ip").args(args.split(' ')).status().unwrap();
    assert!(status.success(), "ip {args}");
}

/// Hosts beyond this machine, as far as a program can tell: addresses that may become unreachable.
fn reachable(host: &str) {
    ip(&format!("address add {host}/32 dev lo"));
}

fn unreachable(host: &str) {
    ip(&format!("address del {host}/32 dev lo"));
    ip(&format!("route add unreachable {host}/32"));
}

async fn listen() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    port
}

/// This machine's resolver says of every name that it does not exist.
pub async fn no_such_names() -> tempfile::TempDir {
    let server = UdpSocket::bind("127.0.0.9:53").await.unwrap();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = server.recv_from(&mut question).await {
            // NXDOMAIN
            let answer = [&question[..2], &[0x81, 0x83], &question[4..length]].concat();
            server.send_to(&answer, from).await.unwrap();
        }
    });
    resolver("127.0.0.9")
}

/// This machine asks `address` for names, as long as the directory is there.
pub fn resolver(address: &str) -> tempfile::TempDir {
    let home = tempfile::TempDir::new().unwrap();
    let file = home.path().join("resolv.conf");
    std::fs::write(&file, format!("nameserver {address}\noptions timeout:2 attempts:1\n")).unwrap();
    let mounted = Command::new("mount").arg("--bind").arg(file).arg("/etc/resolv.conf").status().unwrap();
    assert!(mounted.success());
    home
}

async fn is(portreeve: &Portreeve, host: usize, health: &str) -> Value {
    let path = format!("/apis/portreeve/v1/monitoredservices/host{host}");
    wait::until(&format!("host{host} is {health}"), wait::SOON, || async {
        let status = portreeve.get(&path).await.unwrap().json()["status"].clone();
        if status["health"] == health { Ok(status) } else { Err((status, portreeve.log())) }
    })
    .await
}

async fn told(portreeve: &Portreeve, kind: &str) -> Vec<Value> {
    let events = portreeve.get(&format!("/api/events?type={kind}")).await.unwrap().json();
    events.as_array().unwrap().clone()
}

#[test]
fn when_nobody_outside_answers_any_more_it_is_our_network_that_is_blamed() {
    alone(
        "integration::probes::network::when_nobody_outside_answers_any_more_it_is_our_network_that_is_blamed",
        || async {
            let port = listen().await;
            HOSTS.iter().for_each(|host| reachable(host));
            let mut portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve"))
                .docker_host("unix:///nonexistent/docker.sock")
                .env("RUST_LOG", "info");
            for (n, host) in HOSTS.iter().enumerate() {
                let service = format!(
                    "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: host{n}}}\n\
                     spec:\n  target: {{host: {host}, port: {port}}}\n  \
                     probes: [{{name: port, tcpSocket: {{port: {port}}}, periodSeconds: 1, failureThreshold: 3}}]\n"
                );
                portreeve.manifest(&format!("{n}.yaml"), &service);
            }
            // One more, of which a resolver of this machine's own says that there is no such host: that is no answer from outside.
            let _resolver = no_such_names().await;
            portreeve.manifest(
                "gone.yaml",
                "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {name: host9}\n\
                 spec:\n  target: {host: gone.example, port: 1}\n  \
                 probes: [{name: port, tcpSocket: {port: 1}, periodSeconds: 1, failureThreshold: 1000}]\n",
            );
            portreeve.serve().await;
            for n in 0..HOSTS.len() {
                is(&portreeve, n, "healthy").await;
            }

            HOSTS.iter().for_each(|host| unreachable(host));
            for n in 0..HOSTS.len() {
                let status = is(&portreeve, n, "error").await;
                let reason = status["reason"].as_str().unwrap();
                assert!(reason.contains("this machine's own network fails"), "{reason}");
            }
            assert_eq!(told(&portreeve, "NetworkLost").await.len(), 1);
            assert_eq!(told(&portreeve, "ServiceDown").await, Vec::<Value>::new());

            // Once somebody answers it is no longer our network: who is still silent is down.
            for host in &HOSTS[..2] {
                ip(&format!("route del unreachable {host}/32"));
                reachable(host);
            }
            is(&portreeve, 0, "healthy").await;
            is(&portreeve, 1, "healthy").await;
            let down = is(&portreeve, 2, "unhealthy").await;
            assert!(down["reason"].as_str().unwrap().contains("no connection to 10.99.0.3"), "{down}");
            wait::until("it is told", wait::SOON, || async {
                let told = told(&portreeve, "ServiceDown").await;
                wait::is(told.len() == 1 && told[0]["container_name"] == "host2", told)
            })
            .await;
            assert_eq!(told(&portreeve, "NetworkBack").await.len(), 1);
        },
    );
}

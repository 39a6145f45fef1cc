//! Hosts with several addresses, of which some are silent, closed or beyond our reach: what holds of the host is what its
//! best address says.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::listeners::{Closed, Listener, Manner};
use super::verdicts::means;
use super::{ask_at, failure, passed, this_test};
use crate::support::alone::alone;

/// `2001:db9::1` takes packets and says nothing; to `2001:db8::1` and `10.1.2.3` there is no route.
const NAMES: &str = "127.0.0.1 localhost
127.0.0.1 closed-or-away
2001:db8::1 closed-or-away
2001:db9::1 silent-or-closed
127.0.0.1 silent-or-closed
2001:db9::1 silent-or-away
10.1.2.3 silent-or-away
2001:db8::1 away
10.1.2.3 away
2001:db9::1 silent-first
127.0.0.1 silent-first
2001:db9::1 silent-four-times
2001:db9::3 silent-four-times
2001:db9::4 silent-four-times
2001:db9::5 silent-four-times
127.0.0.1 silent-four-times
::1 closed-first
127.0.0.1 closed-first
";

/// A network of which these names are all there is; as long as the directory is there.
fn network() -> tempfile::TempDir {
    let home = tempfile::TempDir::new().unwrap();
    let hosts = home.path().join("hosts");
    std::fs::write(&hosts, NAMES).unwrap();
    let run = |program: &str, arguments: &str| {
        let status = Command::new(program).args(arguments.split(' ')).status().unwrap();
        assert!(status.success(), "{program} {arguments}");
    };
    run("mount", &format!("--bind {} /etc/hosts", hosts.display()));
    run("ip", "link add here type veth peer name there");
    run("ip", "link set there up");
    run("ip", "link set here up");
    run("ip", "address add 2001:db9::2/64 dev here nodad");
    for n in [1, 3, 4, 5] {
        run("ip", &format!("neigh add 2001:db9::{n} lladdr 02:00:00:00:00:01 dev here"));
    }
    home
}

/// A server for datagrams at `127.0.0.1`: it sends back what `answer` makes of them.
async fn datagrams(answer: fn(&[u8]) -> Vec<u8>) -> (u16, JoinSet<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (port, mut serving) = (socket.local_addr().unwrap().port(), JoinSet::new());
    serving.spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            socket.send_to(&answer(&bytes[..length]), from).await.unwrap();
        }
    });
    (port, serving)
}

/// The address that the question for an A record asks for.
fn record(question: &[u8]) -> Vec<u8> {
    let head = [&question[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]].concat();
    [&head, &question[12..], b"\xc0\x0c\0\x01\0\x01\0\0\0\x0a\0\x04\x0a\0\0\x01"].concat()
}

fn hasty(mut probe: Value) -> Value {
    probe["timeoutSeconds"] = 1.into();
    probe
}

fn over_tcp() -> [Value; 3] {
    [json!({"httpGet": {}}), json!({"tcpSocket": {"port": 1}}), json!({"redis": {}})].map(hasty)
}

fn over_udp() -> [Value; 2] {
    [json!({"udp": {"port": 1, "send": "x"}}), json!({"dns": {"name": "web.test"}})].map(hasty)
}

#[test]
fn what_one_address_says_is_not_undone_by_our_trouble_with_another() {
    alone(&format!("integration::{}", this_test!()), || async {
        let (_home, closed) = (network(), Closed::new());
        let refused = |host: &str| format!("no connection to {host}:{}: connection refused", closed.port());
        for probe in over_tcp() {
            for host in ["closed-or-away", "silent-or-closed", "closed-first"] {
                let outcome = ask_at(host, closed.port(), probe.clone()).await;
                means!(outcome, Unhealthy);
                assert_eq!(failure(&outcome).reason, refused(host), "{probe}");
            }
            means!(ask_at("silent-or-away", closed.port(), probe.clone()).await, Unanswered);
        }
        for probe in over_udp() {
            for host in ["closed-or-away", "silent-or-closed", "closed-first"] {
                let outcome = ask_at(host, closed.port(), probe.clone()).await;
                means!(outcome, Unhealthy);
                let text = format!("no answer from {host}:{}: connection refused", closed.port());
                assert_eq!(failure(&outcome).reason, text, "{probe}");
            }
            means!(ask_at("silent-or-away", closed.port(), probe.clone()).await, Unanswered);
        }
        means!(ask_at("silent-or-away", 1, hasty(json!({"icmp": {}}))).await, Unanswered);
        for probe in over_tcp().into_iter().chain(over_udp()).chain([json!({"icmp": {}})]) {
            let outcome = ask_at("away", closed.port(), probe).await;
            means!(outcome, Fault);
            assert!(failure(&outcome).reason.ends_with("network is unreachable"), "{outcome:?}");
        }
    });
}

/// RFC 8305.
#[test]
fn a_host_that_answers_at_any_of_its_addresses_is_healthy() {
    alone(&format!("integration::{}", this_test!()), || async {
        let _home = network();
        let order: Vec<SocketAddr> = tokio::net::lookup_host("silent-first:80").await.unwrap().collect();
        assert!(order[0].is_ipv6(), "the silent address comes first: {order:?}");
        let http =
            Listener::start(Manner::SaysAndCloses(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
        let redis = Listener::start(Manner::SaysAndCloses(b"+PONG\r\n")).await;
        let (echo, _echoing) = datagrams(<[u8]>::to_vec).await;
        let (names, _naming) = datagrams(record).await;
        let [get, connect, ping] = over_tcp();
        let [say, ask] = over_udp();
        let servers =
            [(get, http.port()), (connect, http.port()), (ping, redis.port()), (say, echo), (ask, names)];
        for host in ["closed-first", "silent-first", "silent-four-times"] {
            let icmp = [(hasty(json!({"icmp": {}})), 1)];
            for (probe, port) in servers.iter().chain(&icmp) {
                let outcome = ask_at(host, *port, probe.clone()).await;
                passed(&outcome);
                assert!(outcome.took < Duration::from_millis(750), "{host} {probe}: {outcome:?}");
            }
        }
        // No connection is left half made.
        let sockets = std::fs::read_to_string("/proc/net/tcp6").unwrap();
        let asking = |line: &&str| line.split_whitespace().nth(3) == Some("02");
        assert_eq!(sockets.lines().find(asking), None);
    });
}

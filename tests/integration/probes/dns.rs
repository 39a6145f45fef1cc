//! `dns`, asking Unbound.

use std::fs;
use std::net::UdpSocket;

use serde_json::{Value, json};

use super::{ask, denied, fault, output, passed, shown, step, unhealthy};
use crate::support::server::{Server, program};

const CONFIG: &str = r#"
server:
    interface: 127.0.0.1
    port: PORT
    do-daemonize: no
    chroot: ""
    directory: "HOME"
    username: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    access-control: 127.0.0.1/32 allow
    local-zone: "shop.test." static
    local-data: "shop.test. SOA ns.shop.test. admin.shop.test. 1 2 3 4 5"
    local-data: "shop.test. NS ns.shop.test."
    local-data: "shop.test. MX 10 mail.shop.test."
    local-data: "web.shop.test. A 10.0.0.1"
    local-data: "web.shop.test. A 10.0.0.2"
    local-data: "web.shop.test. AAAA fd00::1"
    local-data: "www.shop.test. CNAME web.shop.test."
    local-data: "_http._tcp.shop.test. SRV 1 2 80 web.shop.test."
    local-data-ptr: "10.0.0.1 web.shop.test"
    local-zone: "closed.test." refuse
LONG
"#;

async fn unbound() -> Server {
    Server::start("unbound", |home, port| {
        let long =
            (0..20).map(|n| format!("    local-data: 'long.shop.test. TXT \"{n} {}\"'\n", "x".repeat(80)));
        let config = CONFIG
            .replace("PORT", &port.to_string())
            .replace("HOME", &home.display().to_string())
            .replace("LONG", &long.collect::<String>());
        let file = home.join("unbound.conf");
        fs::write(&file, config).unwrap();
        let mut command = program("unbound");
        command.arg("-d").arg("-c").arg(file);
        command
    })
    .await
}

fn question(name: &str, record: &str) -> Value {
    json!({"dns": {"name": name, "type": record}})
}

#[tokio::test]
async fn a_server_that_answers_with_such_records_is_healthy_and_others_say_what_they_answer() {
    let server = unbound().await;
    for (name, record, found) in [
        ("web.shop.test", "A", 2),
        ("web.shop.test.", "AAAA", 1),
        ("www.shop.test", "CNAME", 1),
        ("shop.test", "MX", 1),
        ("shop.test", "NS", 1),
        ("shop.test", "SOA", 1),
        ("_http._tcp.shop.test", "SRV", 1),
        ("10.0.0.1", "PTR", 1),
    ] {
        let outcome = ask(question(name, record), server.port).await;
        assert_eq!(passed(&outcome), ["resolve", "query"], "{name} {record}");
        assert_eq!(
            step(&outcome, "query"),
            format!("NOERROR, {found} {record} record{}", if found == 1 { "" } else { "s" })
        );
    }
    let outcome = ask(question("long.shop.test", "TXT"), server.port).await;
    assert_eq!(passed(&outcome), ["resolve", "query", "resolve", "connect", "query"]);
    assert_eq!(outcome.steps[4].what, "NOERROR, 20 TXT records");

    for (name, record, text) in [
        ("nobody.shop.test", "A", "expected A records of nobody.shop.test, got NXDOMAIN"),
        ("shop.test", "AAAA", "expected AAAA records of shop.test, got an answer without AAAA records"),
    ] {
        assert_eq!(unhealthy(&ask(question(name, record), server.port).await), text);
    }
    let refused = ask(question("www.closed.test", "A"), server.port).await;
    shown!(refused);
    assert_eq!(
        denied(&refused),
        "expected A records of www.closed.test, got REFUSED: it refuses to answer us"
    );
    let unfit = ask(question("a..b", "A"), server.port).await;
    shown!(unfit);
    assert_eq!(fault(&unfit), "a..b is not a name that DNS can ask for");
    server.freeze().await;
    let mut hanging = question("web.shop.test", "A");
    hanging["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(hanging, server.port).await), "nothing within 1 s, at the step `query`");
}

#[tokio::test]
async fn a_port_without_a_server_and_an_answer_that_is_none_are_told() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let stranger = std::thread::spawn(move || {
        let mut bytes = [0; 512];
        let (_, from) = socket.recv_from(&mut bytes).unwrap();
        // Not ours; ours and cut short.
        socket.send_to(b"\0", from).unwrap();
        socket.send_to(&[bytes[0], bytes[1], 0x81, 0x80, 0, 1, 0xff, 0xff], from).unwrap();
    });
    let outcome = ask(question("web.shop.test", "A"), port).await;
    let text = unhealthy(&outcome);
    assert_eq!(text, "expected a DNS server's answer, got something else");
    assert!(output(&outcome).starts_with("the bytes "), "{outcome:?}");
    stranger.join().unwrap();
    let outcome = ask(question("web.shop.test", "A"), port).await;
    assert_eq!(unhealthy(&outcome), format!("no answer from 127.0.0.1:{port}: connection refused"));
}

//! MySQL's and MariaDB's errors, by their codes; and that a probe does not make a server block its address.

use portreeve::probe::CheckOutcome;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::means;
use crate::integration::probes::listeners::{Listener, say};
use crate::integration::probes::mysql::{GREETING, login, mariadb_at, packet, read};
use crate::integration::probes::{ask, ask_at, denied, failure, fault, output, passed, secret, step};
use crate::support::alone::alone;

/// When a server says what it has to say.
#[derive(Clone, Copy)]
enum When {
    InPlaceOfItsGreeting,
    AtLogin,
    AtTheQuery,
}

async fn refuse(stream: &mut TcpStream, number: u8, code: u16, state: &str) -> std::io::Result<()> {
    let payload = [&[0xff][..], &code.to_le_bytes(), state.as_bytes(), b"the server's own words"].concat();
    let head = [u8::try_from(payload.len()).unwrap(), 0, 0, number];
    say(stream, &[&head[..], &payload].concat()).await
}

/// What comes of it when a server says this.
async fn answered(code: u16, when: When) -> CheckOutcome {
    answered_with(code, "", when).await
}

/// The same with an SQLSTATE, as in `#42S02`.
async fn answered_with(code: u16, state: &'static str, when: When) -> CheckOutcome {
    let server = Listener::conversing(move |mut stream| async move {
        if let When::InPlaceOfItsGreeting = when {
            return refuse(&mut stream, 0, code, state).await;
        }
        packet(&mut stream, 0, GREETING).await;
        read(&mut stream).await;
        if let When::AtLogin = when {
            return refuse(&mut stream, 2, code, state).await;
        }
        packet(&mut stream, 2, b"\0\0\0\x02\0\0\0").await;
        read(&mut stream).await;
        refuse(&mut stream, 1, code, state).await
    })
    .await;
    let outcome = ask(json!({"mysql": {}}), server.port()).await;
    assert_eq!(output(&outcome), "the server's own words");
    assert!(failure(&outcome).reason.contains(&format!("error {code}")), "{outcome:?}");
    outcome
}

#[tokio::test]
async fn a_server_that_is_not_ready_is_asked_too_early() {
    for code in [1053, 1077, 1079] {
        means!(answered(code, When::AtLogin).await, NotYet);
    }
    for code in [1020, 1047, 1205, 1213, 1317, 1412, 1613, 1614, 1927, 3101, 3168, 3169, 3572] {
        means!(answered(code, When::AtTheQuery).await, NotYet);
    }
}

#[tokio::test]
async fn a_server_that_blocks_our_address_refuses_us() {
    for code in [1129, 1130, 1042] {
        means!(answered(code, When::InPlaceOfItsGreeting).await, Denied);
    }
}

#[tokio::test]
async fn a_server_that_is_full_refuses_us() {
    for code in [1040, 1041, 1135] {
        means!(answered(code, When::InPlaceOfItsGreeting).await, Denied);
    }
    for code in [1021, 1037, 1038, 1114, 1203, 1226] {
        means!(answered(code, When::AtLogin).await, Denied);
    }
}

#[tokio::test]
async fn a_refused_login_is_no_illness() {
    for code in
        [1044, 1045, 1049, 1131, 1132, 1133, 1275, 1524, 1698, 1862, 1873, 3032, 3118, 3878, 3955, 4151]
    {
        means!(answered(code, When::AtLogin).await, Denied);
    }
    for code in [1142, 1143, 1227, 1370, 1820] {
        means!(answered(code, When::AtTheQuery).await, Denied);
    }
}

#[tokio::test]
async fn a_server_that_wants_tls_refuses_us() {
    means!(answered(3159, When::AtLogin).await, Denied);
}

#[tokio::test]
async fn a_server_that_takes_no_writes_refuses_us() {
    for code in [1290, 1792, 1836] {
        means!(answered(code, When::AtTheQuery).await, Denied);
    }
}

#[tokio::test]
async fn a_question_that_is_no_sql_is_the_probes_fault() {
    for code in [1043, 1251] {
        means!(answered(code, When::AtLogin).await, Fault);
    }
    for code in [1064, 1149, 1153, 1156] {
        means!(answered(code, When::AtTheQuery).await, Fault);
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_is_not_made_by_a_restart() {
    for code in [1046, 1051, 1054, 1091, 1109, 1146, 1305, 1356] {
        means!(answered(code, When::AtTheQuery).await, Denied);
    }
}

#[tokio::test]
async fn a_query_that_is_wrong_is_not_mended_by_a_restart() {
    for code in [1052, 1055, 1058, 1060, 1066, 1111, 1140, 1193, 1222, 1248, 1267, 1583, 3593] {
        means!(answered(code, When::AtTheQuery).await, Denied);
    }
}

/// MySQL Router and ProxySQL, of the servers behind them.
#[tokio::test]
async fn what_a_server_does_not_take_now_is_no_illness() {
    for code in [2002, 2003, 2013, 9001] {
        means!(answered(code, When::InPlaceOfItsGreeting).await, Denied);
        means!(answered_with(code, "#HY000", When::AtLogin).await, Denied);
    }
    for code in [1158, 1159, 1160, 1161, 1223, 1429, 2006, 2013, 9001, 9006] {
        means!(answered_with(code, "#HY000", When::AtTheQuery).await, Denied);
    }
}

#[tokio::test]
async fn an_error_that_is_in_no_list_means_what_its_state_does() {
    for state in ["#08S01", "#21S01", "#25006", "#28000", "#3D000", "#42000", "#42S22", "#53200"] {
        means!(answered_with(65_535, state, When::AtTheQuery).await, Denied);
    }
    means!(answered_with(65_535, "#40001", When::AtTheQuery).await, NotYet);
    means!(answered_with(65_535, "#0A000", When::AtTheQuery).await, Fault);
    // A list knows better: this one has the state 42000.
    let outcome = answered_with(1064, "#42000", When::AtTheQuery).await;
    assert!(fault(&outcome).contains("it does not understand the request"), "{outcome:?}");
}

#[tokio::test]
async fn any_other_error_is_unhealthy() {
    for code in [1105, 1194, 1969, 65_535] {
        means!(answered(code, When::AtTheQuery).await, Unhealthy);
    }
    // What is in the data, and what a query was made to say.
    for (code, state) in
        [(1365, "#22012"), (1242, "#21000"), (1644, "#45000"), (1062, "#23000"), (1690, "#22003")]
    {
        means!(answered_with(code, state, When::AtTheQuery).await, Unhealthy);
    }
}

/// Not loopback, which a server never blocks; its name, for a server blocks only whom it can name.
const ADDRESS: &str = "10.99.0.1";

fn run(program: &str, arguments: &[&str]) {
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whoever connects and leaves is counted, and blocked at last; and so are then its real clients.
#[test]
fn no_probe_makes_a_server_block_its_address() {
    alone("integration::probes::verdicts::mysql::no_probe_makes_a_server_block_its_address", || async {
        let home = TempDir::new().unwrap();
        run("ip", &["address", "add", &format!("{ADDRESS}/32"), "dev", "lo"]);
        let hosts = home.path().join("hosts");
        std::fs::write(&hosts, format!("127.0.0.1 localhost\n{ADDRESS} probe.test\n")).unwrap();
        run("mount", &["--bind", hosts.to_str().unwrap(), "/etc/hosts"]);
        let server = mariadb_at("0.0.0.0", true, &home, &["--max-connect-errors=3"]).await;
        let ask = |probe: Value| ask_at(ADDRESS, server.port, probe);
        let right = || login("probe", secret(&home, "s3cret"));
        let mut anyone = right();
        anyone["mysql"]["tls"] = json!({"verify": false});

        // On the port that the protocol has, though it is published elsewhere.
        let connecting = || json!({"tcpSocket": {"port": 3306}});
        let reading = || json!({"tcpSocket": {"port": 1, "expect": "MariaDB"}});
        for _ in 0..8 {
            let outcome = ask(connecting()).await;
            assert!(step(&outcome, "leave").starts_with("a MySQL server"), "{outcome:?}");
            passed(&outcome);
        }
        passed(&ask(anyone.clone()).await);
        for _ in 0..8 {
            let outcome = ask(reading()).await;
            assert!(step(&outcome, "leave").starts_with("a MySQL server"), "{outcome:?}");
            passed(&outcome);
        }
        passed(&ask(anyone.clone()).await);
        // Its certificate is nobody's whom this machine trusts: no password is sent, and the server is left in peace.
        for _ in 0..8 {
            assert!(fault(&ask(right()).await).contains("the server is not verified"));
        }
        passed(&ask(anyone.clone()).await);
        // What it would come to.
        for _ in 0..8 {
            let mut stream = TcpStream::connect((ADDRESS, server.port)).await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        }
        let blocked = ask(anyone).await;
        assert!(
            denied(&blocked).contains("error 1129: it accepts no connections from our address"),
            "{blocked:?}"
        );
    });
}

//! `mysql`, asking MariaDB; and MySQL's newer way to log in, which MariaDB has not, asking a server written here.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::certificates::Authority;
use super::{ask, denied, fault, output, passed, secret, step, unhealthy};
use crate::support::server::{Server, program};
use crate::support::wait;

const SETUP: &str = "
FLUSH PRIVILEGES;
CREATE USER probe@'127.0.0.1' IDENTIFIED BY 's3cret';
CREATE USER probe@'10.99.0.1' IDENTIFIED BY 's3cret';
CREATE USER elsewhere@'127.0.0.1' IDENTIFIED VIA unix_socket;
";

async fn mariadb(tls: bool, secrets: &TempDir) -> Server {
    mariadb_at("127.0.0.1", tls, secrets, &["--skip-name-resolve"]).await
}

/// Its authority's certificate is `authority.pem` beside its own.
pub async fn mariadb_at(address: &str, tls: bool, secrets: &TempDir, more: &[&str]) -> Server {
    let server = Server::start("mariadb", |home, port| {
        let data = home.join("data");
        if !data.exists() {
            let mut made = program("mariadb-install-db");
            made.args(["--no-defaults", "--user=root", "--skip-test-db"]);
            made.args(["--auth-root-authentication-method=normal", &format!("--datadir={}", data.display())]);
            // At its start a server clears away temporary tables, whoever made them.
            let made = made.env("TMPDIR", home).output().unwrap();
            let said = [made.stdout, made.stderr].concat();
            assert!(made.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&said));
            fs::write(home.join("setup.sql"), SETUP).unwrap();
            let authority = Authority::new();
            let own = authority.certificate("localhost", -1, 30);
            fs::write(home.join("authority.pem"), &authority.pem).unwrap();
            fs::write(home.join("own.pem"), own.chain).unwrap();
            fs::write(home.join("own.key"), own.key).unwrap();
        }
        let mut command = program("mariadbd");
        command
            .env("TMPDIR", home)
            .arg("--no-defaults")
            .arg("--user=root")
            .arg(format!("--bind-address={address}"))
            .args(more);
        for (option, file) in
            [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid"), ("init-file", "setup.sql")]
        {
            command.arg(format!("--{option}={}", home.join(file).display()));
        }
        command.arg(format!("--port={port}"));
        if tls {
            command.arg(format!("--ssl-cert={}", home.join("own.pem").display()));
            command.arg(format!("--ssl-key={}", home.join("own.key").display()));
        }
        command
    })
    .await;
    // Its first statements are carried out while it takes connections.
    let mut probe = login("probe", secret(secrets, "s3cret"));
    if tls {
        probe["mysql"]["tls"] = json!({"verify": false});
    }
    wait::until("it is up", wait::SOON, || async { ask(probe.clone(), server.port).await.result }).await;
    server
}

pub fn login(username: &str, password: Value) -> Value {
    json!({"mysql": {"auth": {"username": username, "password": password}}})
}

#[tokio::test]
async fn a_server_that_takes_the_login_and_answers_the_query_is_healthy() {
    let home = TempDir::new().unwrap();
    let server = mariadb(false, &home).await;
    let with = |field: &str, value: &str| {
        let mut probe = login("probe", secret(&home, "s3cret"));
        probe["mysql"][field] = value.into();
        probe
    };
    let outcome = ask(login("probe", secret(&home, "s3cret")), server.port).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "receive", "login", "query"]);
    assert!(step(&outcome, "receive").contains("MariaDB"), "{outcome:?}");
    assert_eq!(step(&outcome, "query"), "1 row");
    for (probe, rows) in [
        (json!({"mysql": {"database": "mysql"}}), "1 row"),
        (
            with(
                "query",
                "WITH RECURSIVE g AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM g WHERE n < 900) SELECT 1 FROM g JOIN g h LIMIT 50000",
            ),
            "50000 rows",
        ),
        (with("query", "SELECT 1 WHERE FALSE"), "0 rows"),
        (with("query", "DO 1"), "0 rows"),
    ] {
        assert_eq!(step(&ask(probe, server.port).await, "query"), rows);
    }
    for (probe, code, said) in [
        (
            login("probe", secret(&home, "wr0ng")),
            "expected a login, got error 1045: ",
            "Access denied for user 'probe'@'127.0.0.1' (using password: YES)",
        ),
        (
            with("database", "nowhere"),
            "expected a login, got error 1044: ",
            "Access denied for user 'probe'@'127.0.0.1' to database 'nowhere'",
        ),
        (
            with("query", "SELECT * FROM mysql.user"),
            "expected an answer to the query, got error 1142: ",
            "SELECT command denied to user 'probe'@'127.0.0.1' for table",
        ),
        (
            login("elsewhere", secret(&home, "s3cret")),
            "expected a login, got error 1698: ",
            "Access denied for user 'elsewhere'@'127.0.0.1'",
        ),
    ] {
        let outcome = ask(probe, server.port).await;
        assert!(denied(&outcome).starts_with(code), "{outcome:?}");
        assert!(output(&outcome).starts_with(said), "{outcome:?}");
    }
    let outcome = ask(with("query", "SELEKT 1"), server.port).await;
    assert!(fault(&outcome).starts_with("expected an answer to the query, got error 1064: "), "{outcome:?}");
    assert!(output(&outcome).starts_with("You have an error in your SQL syntax;"), "{outcome:?}");
    let mut slow = with("query", "SELECT SLEEP(600)");
    slow["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(slow, server.port).await), "nothing within 1 s, at the step `query`");
}

#[tokio::test]
async fn tls_is_used_where_the_server_has_it() {
    let home = TempDir::new().unwrap();
    let server = mariadb(true, &home).await;
    let with = |tls: Value| {
        let mut probe = login("probe", secret(&home, "s3cret"));
        probe["mysql"]["tls"] = tls;
        probe
    };
    let steps = ["resolve", "connect", "receive", "TLS", "login", "query"];
    let outcome = ask(with(json!({"verify": false})), server.port).await;
    assert_eq!(passed(&outcome), steps);
    assert!(step(&outcome, "TLS").starts_with("TLS 1."), "{outcome:?}");
    let ours = json!({"ca": server.file("authority.pem")});
    let outcome = ask(with(ours), server.port).await;
    assert_eq!(passed(&outcome), steps);
    assert!(step(&outcome, "TLS").ends_with(", verified"), "{outcome:?}");
    for tls in [Value::Null, json!({})] {
        let outcome = ask(with(tls), server.port).await;
        let text = "the server is not verified, and no secret is sent to it: no trusted authority has issued its \
            certificate; ";
        assert!(fault(&outcome).starts_with(text), "{outcome:?}");
        assert!(outcome.steps.iter().all(|step| step.name != "login"), "{outcome:?}");
    }
    server.freeze().await;
    let mut hanging = login("probe", secret(&home, "s3cret"));
    hanging["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(hanging, server.port).await), "nothing within 1 s, at the step `receive`");
}

/// A greeting without TLS.
pub const GREETING: &[u8] = b"\x0a8.4.0\0\x01\0\0\0saltsalt\0\xff\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0and more sal\0mysql_native_password\0";
const SALT: &[u8] = b"twenty bytes of salt";

pub async fn packet(stream: &mut TcpStream, number: u8, payload: &[u8]) {
    let whole = [&[u8::try_from(payload.len()).unwrap(), 0, 0, number], payload].concat();
    stream.write_all(&whole).await.unwrap();
}

pub async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u32_le().await.unwrap() & 0xff_ffff;
    let mut payload = vec![0; length.try_into().unwrap()];
    stream.read_exact(&mut payload).await.unwrap();
    payload
}

/// A server without TLS whose users log in with `caching_sha2_password`, if it has seen them before.
async fn modern(remembers: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let greeting = [
            &b"\x0a8.4.0\0\x01\0\0\0"[..],
            &SALT[..8],
            b"\0\xff\xf7\x2d\x02\0\xff\x81\x15",
            &[0; 10],
            &SALT[8..],
            b"\0mysql_native_password\0",
        ];
        packet(&mut stream, 0, &greeting.concat()).await;
        read(&mut stream).await;
        packet(&mut stream, 2, &[&b"\xfecaching_sha2_password\0"[..], SALT, b"\0"].concat()).await;
        let proof = read(&mut stream).await;
        // What the server knows is the hash of the hash.
        let stored = Sha256::digest(Sha256::digest("s3cret"));
        let mask = Sha256::digest([&stored[..], SALT].concat());
        let once: Vec<u8> = proof.iter().zip(mask).map(|(proof, mask)| proof ^ mask).collect();
        if Sha256::digest(once) != stored {
            return packet(&mut stream, 4, b"\xff\x15\x04#28000Access denied").await;
        }
        if !remembers {
            return packet(&mut stream, 4, b"\x01\x04").await;
        }
        packet(&mut stream, 4, b"\x01\x03").await;
        packet(&mut stream, 5, b"\0\0\0\x02\0\0\0").await;
        assert_eq!(read(&mut stream).await, b"\x03SELECT 1");
        packet(&mut stream, 1, b"\0\0\0\x02\0\0\0").await;
    });
    port
}

#[tokio::test]
async fn the_way_to_log_in_is_the_servers_choice() {
    let home = TempDir::new().unwrap();
    passed(&ask(login("probe", secret(&home, "s3cret")), modern(true).await).await);
    let wrong = ask(login("probe", secret(&home, "wr0ng")), modern(true).await).await;
    let text = "expected a login, got error 1045: the login is refused or has no permission, or the database does not exist";
    assert_eq!((denied(&wrong), output(&wrong)), (text, "Access denied"));
    let stranger = ask(login("probe", secret(&home, "s3cret")), modern(false).await).await;
    assert!(fault(&stranger).contains("sent only over TLS"), "{stranger:?}");
}

//! `postgres`, asking PostgreSQL.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use portreeve::probe::Meaning;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificates::Authority;
use super::{ask, denied, failure, fault, not_yet, output, passed, secret, shown, step, unhealthy};
use crate::support::server::Server;
use crate::support::wait;

/// Who may come in how; the password is everybody's.
const LOGINS: &str = "
host    all trusted   127.0.0.1/32 trust
host    all hashed    127.0.0.1/32 md5
host    all plain     127.0.0.1/32 password
host    all all       127.0.0.1/32 scram-sha-256
";
const SETUP: &str = "
CREATE USER trusted PASSWORD 's3cret';
CREATE USER plain PASSWORD 's3cret';
SET password_encryption = 'md5';
CREATE USER hashed PASSWORD 's3cret';
";

/// One of the server's programs, as the user that it insists on when it is not to be root.
fn run_as_postgres(program: &str) -> Command {
    let found = fs::read_dir("/usr/lib/postgresql").ok().and_then(|mut versions| versions.next());
    let mut command = match found {
        Some(version) => Command::new(version.unwrap().path().join("bin").join(program)),
        None => Command::new(program),
    };
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}

fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap()
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
}

fn create(home: &Path, tls: bool) {
    let own = |path: &Path| {
        owner().into_iter().for_each(|(user, group)| chown(path, Some(user), Some(group)).unwrap())
    };
    own(home);
    fs::write(home.join("password"), "s3cret\n").unwrap();
    let mut made = run_as_postgres("initdb");
    made.arg("-D").arg(home.join("data")).args([
        "-U",
        "postgres",
        "--no-sync",
        "-A",
        "scram-sha-256",
        "--pwfile",
    ]);
    made.arg(home.join("password")).stdout(Stdio::null());
    assert!(made.status().unwrap().success(), "initdb");
    fs::write(home.join("data/pg_hba.conf"), LOGINS).unwrap();
    let mut single = run_as_postgres("postgres");
    single.args(["--single", "-j", "-F", "-D"]).arg(home.join("data")).arg("postgres");
    let mut single = single.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    for statement in SETUP.split_inclusive(";\n") {
        // An empty line ends a statement here.
        writeln!(single.stdin.as_mut().unwrap(), "{statement}").unwrap();
    }
    assert!(single.wait().unwrap().success(), "the setup");
    if tls {
        let authority = Authority::new();
        fs::write(home.join("authority.pem"), &authority.pem).unwrap();
        let own_certificate = authority.certificate("localhost", 0, 30);
        for (name, text) in [("server.crt", own_certificate.chain), ("server.key", own_certificate.key)] {
            let file = home.join("data").join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            own(&file);
        }
    }
}

/// One that keeps recovering, for it waits for more from a primary, and takes no connections meanwhile.
async fn standby() -> Server {
    let server = Server::start("postgres", |home, port| {
        if !home.join("data").exists() {
            create(home, false);
            fs::write(home.join("data/standby.signal"), "").unwrap();
        }
        let mut command = command(home, port);
        command.args(["-c", "hot_standby=off"]);
        command
    });
    server.await.ends_with(Signal::QUIT)
}

fn command(home: &Path, port: u16) -> Command {
    let mut command = run_as_postgres("postgres");
    command.arg("-D").arg(home.join("data")).arg("-F").args([
        "-p",
        &port.to_string(),
        "-h",
        "127.0.0.1",
        "-k",
    ]);
    command.arg(home);
    command
}

async fn postgres(tls: bool, secrets: &TempDir) -> Server {
    let server = Server::start("postgres", |home, port| {
        if !home.join("data").exists() {
            create(home, tls);
        }
        let mut command = command(home, port);
        command.arg("-c").arg(format!("ssl={}", if tls { "on" } else { "off" }));
        command
    });
    // Killed, it would leave shared memory behind.
    let server = server.await.ends_with(Signal::QUIT);
    // It takes connections before it takes logins.
    let mut probe = login("postgres", secret(secrets, "s3cret"));
    if tls {
        probe["postgres"]["tls"] = json!({"verify": false});
    }
    wait::until("it is up", wait::SOON, || async { ask(probe.clone(), server.port).await.result }).await;
    server
}

fn login(username: &str, password: Value) -> Value {
    json!({"postgres": {"database": "postgres", "auth": {"username": username, "password": password}}})
}

#[tokio::test]
async fn a_server_that_takes_the_login_and_answers_the_query_is_healthy() {
    let home = TempDir::new().unwrap();
    let server = postgres(false, &home).await;
    let password = || secret(&home, "s3cret");
    let with = |field: &str, value: &str| {
        let mut probe = login("postgres", password());
        probe["postgres"][field] = value.into();
        probe
    };
    for user in ["postgres", "hashed", "plain", "trusted"] {
        let outcome = ask(login(user, password()), server.port).await;
        assert_eq!(passed(&outcome), ["resolve", "connect", "TLS", "login", "query"], "{user}");
        assert_eq!((step(&outcome, "TLS"), step(&outcome, "query")), ("not offered", "1 row"));
    }
    let many = ask(with("query", "SELECT generate_series(1, 50000); SELECT 1"), server.port).await;
    assert_eq!(step(&many, "query"), "50001 rows");
    for (probe, means, text, said) in [
        (
            login("postgres", secret(&home, "wr0ng")),
            Meaning::Denied,
            "expected a login, got SQLSTATE 28P01: the login is refused or has no permission, or the database does not \
            exist",
            r#"password authentication failed for user "postgres""#,
        ),
        (
            json!({"postgres": {}}),
            Meaning::Denied,
            "expected a login without a password, postgres needs one",
            "",
        ),
        (
            with("database", "nowhere"),
            Meaning::Denied,
            "expected a login, got SQLSTATE 3D000: the login is refused or has no permission, or the database does not \
            exist",
            r#"database "nowhere" does not exist"#,
        ),
        (
            with("query", "SELECT * FROM nothing"),
            Meaning::Denied,
            "expected an answer to the query, got SQLSTATE 42P01: the query is wrong, or names something that does not \
            exist",
            r#"relation "nothing" does not exist"#,
        ),
        (
            with("query", "SELEKT 1"),
            Meaning::Fault,
            "expected an answer to the query, got SQLSTATE 42601: it does not understand the request",
            r#"syntax error at or near "SELEKT""#,
        ),
        (
            with("query", "SELECT 1 / (3 - g) FROM generate_series(1, 9) g"),
            Meaning::Unhealthy,
            "expected an answer to the query, got SQLSTATE 22012",
            "division by zero",
        ),
        (with("query", "COPY pg_class TO STDOUT"), Meaning::Unhealthy, "expected rows, got a COPY", ""),
    ] {
        let outcome = ask(probe, server.port).await;
        let failure = failure(&outcome);
        assert_eq!((failure.means(), failure.reason.as_str(), output(&outcome)), (means, text, said));
    }
    let mut slow = with("query", "SELECT pg_sleep(600)");
    slow["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(slow, server.port).await), "nothing within 1 s, at the step `query`");
}

#[tokio::test]
async fn a_standby_that_takes_no_connections_is_asked_too_early() {
    let home = TempDir::new().unwrap();
    let server = standby().await;
    for probe in [login("postgres", secret(&home, "s3cret")), json!({"postgres": {}})] {
        let outcome = ask(probe, server.port).await;
        shown!(outcome);
        let text = "expected a login, got SQLSTATE 57P03: it is starting up, recovering or shutting down";
        assert_eq!(not_yet(&outcome), text);
        assert!(output(&outcome).starts_with("the database system is "), "{outcome:?}");
    }
}

#[tokio::test]
async fn tls_is_used_where_the_server_has_it() {
    let home = TempDir::new().unwrap();
    let server = postgres(true, &home).await;
    let with = |tls: Value| {
        let mut probe = login("postgres", secret(&home, "s3cret"));
        probe["postgres"]["tls"] = tls;
        probe
    };
    let ours = server.file("authority.pem");
    for (tls, said) in [
        (json!({"verify": false}), "TLS 1.3"),
        // An address has no name to be wrong about where somebody says whose servers are meant.
        (json!({"ca": &ours}), "TLS 1.3, verified"),
        (json!({"ca": &ours, "serverName": "localhost"}), "TLS 1.3, verified"),
    ] {
        let outcome = ask(with(tls), server.port).await;
        assert_eq!(passed(&outcome), ["resolve", "connect", "TLS", "login", "query"]);
        assert_eq!(step(&outcome, "TLS"), said);
    }
    for (tls, why) in [
        (Value::Null, "no trusted authority has issued its certificate; set `tls: {ca: …}`"),
        (
            json!({"serverName": "db.test", "ca": &ours}),
            "its certificate is not for db.test; set `tls: {serverName: …}`",
        ),
    ] {
        let outcome = ask(with(tls), server.port).await;
        let text = format!("the server is not verified, and no secret is sent to it: {why}");
        assert!(fault(&outcome).starts_with(&text), "{outcome:?}");
    }
    // Who brings no secret asks whether the server works.
    let outcome = ask(json!({"postgres": {"auth": null, "database": "postgres"}}), server.port).await;
    assert!(denied(&outcome).contains("needs one"), "{outcome:?}");
    server.freeze().await;
    let mut hanging = login("postgres", secret(&home, "s3cret"));
    hanging["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(hanging, server.port).await), "nothing within 1 s, at the step `TLS`");
}

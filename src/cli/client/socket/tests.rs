use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use super::*;

fn process(pairs: &[(&str, &str)]) -> Process {
    let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Process { variables, ..Process::default() }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Why the socket at `path` is not asked.
fn strange(path: &Path) -> String {
    named(path.to_owned()).expect_err("a stranger's").to_string()
}

#[test]
fn a_socket_that_is_listened_at_is_taken_and_a_stale_one_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    drop(UnixListener::bind(at("stale")).expect("a socket"));
    let _listener = UnixListener::bind(at("live")).expect("a socket");
    let found = |names: &[&str]| choose(names.iter().map(|name| (at(name), look(&at(name)))));
    assert_eq!(found(&["none", "stale", "live"]), Local { socket: Some(at("live")), passed_over: None });
    assert_eq!(found(&["none", "stale"]), Local::default());
}

#[test]
fn a_server_elsewhere_or_behind_something_is_not_asked_by_a_socket_of_this_machine() {
    let directory = tempfile::tempdir().expect("a directory");
    let _listener = UnixListener::bind(directory.path().join("8123.sock")).expect("a socket");
    let state = directory.path().display().to_string();
    let process = process(&[("PORTREEVE_STATE_DIR", &state)]);
    let found =
        |url: &str| find(&url.parse().expect(url), false, &process).expect("no stranger").socket.is_some();
    for here in ["http://127.0.0.1:8123", "http://localhost:8123/", "http://[::1]:8123"] {
        assert!(found(here), "{here}");
    }
    for not in [
        "https://127.0.0.1:8123",
        "http://10.0.0.1:8123",
        "http://localhost:8123/base",
        "http://localhost:8124",
    ] {
        assert!(!found(not), "{not}");
    }
}

#[test]
fn the_socket_that_is_named_is_that_of_the_server_that_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let _named = UnixListener::bind(at("named")).expect("a socket");
    let _usual = UnixListener::bind(at("8000.sock")).expect("a socket");
    let state = directory.path().display().to_string();
    let found = |url: &str, is_default, socket: &str| {
        let process = process(&[("PORTREEVE_STATE_DIR", &state), ("PORTREEVE_SOCKET", socket)]);
        find(&url.parse().expect(url), is_default, &process).expect("no stranger").socket
    };
    let named = at("named").display().to_string();
    let (default, other) = ("http://127.0.0.1:8000", "http://127.0.0.1:59999");
    assert_eq!(found(default, true, &named), Some(at("named")));
    assert_eq!(found(other, false, &named), None);
    assert_eq!(found(default, false, &named), Some(at("8000.sock")));
    // None is none, and not a file of that name wherever one is; nor does a relative path name one.
    assert_eq!(found(default, true, "none"), None);
    assert_eq!(found(default, true, "named"), Some(at("8000.sock")));
    assert_eq!(found(default, true, "/nowhere/x.sock"), None);
}

#[test]
fn where_everybody_could_have_put_it_a_socket_is_not_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("open/in")).expect("a directory");
    mode(&at("open/in"), 0o755);
    let listeners = ["good", "open/a", "open/in/b"].map(|name| UnixListener::bind(at(name)).expect(name));
    symlink("good", at("link")).expect("a link");
    symlink("open/link", at("detour")).expect("a link");
    symlink("../good", at("open/link")).expect("a link");
    for bits in [0o777, 0o1777] {
        mode(&at("open"), bits);
        let said = strange(&at("open/a"));
        let uid = rustix::process::geteuid().as_raw();
        assert!(said.contains("open/a") && said.contains(&format!("uid {uid}")), "{said}");
        assert!(said.contains("open can be written by everybody"), "{said}");
        assert!(strange(&at("detour")).contains("open can be written by everybody"));
        // A guess is passed over with the same word.
        let guess = choose([(at("open/a"), look(&at("open/a")))]);
        assert!(guess.socket.is_none() && guess.passed_over.is_some_and(|why| why.contains("is not used")));
    }
    // The sticky bit keeps a directory of ours where it is; without it anybody may put another in its place.
    assert!(named(at("open/in/b")).is_ok());
    mode(&at("open"), 0o777);
    assert!(strange(&at("open/in/b")).contains("open can be written by everybody"));
    assert!(named(at("good")).is_ok() && named(at("link")).is_ok());
    for listener in &listeners {
        listener.set_nonblocking(true).expect("nonblocking");
    }
    let asked = listeners.iter().map(|listener| listener.accept().is_ok());
    assert_eq!(asked.collect::<Vec<_>>(), [true, false, true], "a stranger was connected to");
}

#[test]
fn of_another_user_only_the_owner_of_the_directory_may_listen() {
    // Only root can listen as somebody else.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    mode(directory.path(), 0o755);
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("ours")).expect("a directory");
    fs::create_dir(at("theirs")).expect("a directory");
    chown(at("theirs"), Some(65_534), None).expect("an owner");
    mode(&at("theirs"), 0o755);
    // Who listens is who it was then; the file's owner says nothing.
    let script = "socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un($ARGV[0])) or die; \
                  $< = $> = 65534; listen($s, 8) or die; $| = 1; print \"ready\\n\"; sleep 600";
    let listen = |name: &str| {
        let mut perl = Command::new("perl");
        let mut child =
            perl.args(["-MSocket", "-e", script]).arg(at(name)).stdout(Stdio::piped()).spawn().expect("perl");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        child
    };
    let listeners = [listen("ours/a"), listen("theirs/b")];
    let (said, theirs) = (named(at("ours/a")), named(at("theirs/b")));
    for mut child in listeners {
        child.kill().and_then(|()| child.wait()).expect("ended");
    }
    let said = said.expect_err("a stranger's").to_string();
    assert!(said.contains("ours/a") && said.contains("uid 65534 (nobody) listens there"), "{said}");
    assert!(theirs.is_ok(), "{theirs:?}");
}

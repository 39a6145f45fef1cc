//! The state directory is for the user that Portreeve runs as, and for nobody else on the machine.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::git::Repository;
use crate::support::portreeve::Portreeve;
use crate::support::wait;

const BINARY: &str = env!("CARGO_BIN_EXE_portreeve");
/// `nobody`: neither root nor whoever runs the tests.
const OTHER: u32 = 65534;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory that every user may walk through, so that only what lies in it keeps anybody out.
fn open_home() -> TempDir {
    let home = TempDir::with_prefix("portreeve-state-").unwrap();
    set_mode(home.path(), 0o755);
    home
}

/// Everything below `directory`, itself included, but for what links lead to.
fn all_below(directory: &Path) -> Vec<PathBuf> {
    let (mut all, mut open) = (vec![directory.to_owned()], vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                open.push(path.clone());
            }
            all.push(path);
        }
    }
    all
}

/// What others than its owner may do something with.
fn loose(directory: &Path) -> Vec<String> {
    let open = |path: &PathBuf| !path.is_symlink() && mode(path) & 0o077 != 0;
    let told = |path: PathBuf| format!("{:04o} {}", mode(&path), path.display());
    all_below(directory).into_iter().filter(open).map(told).collect()
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().stdin(Stdio::null());
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

/// Runs `program` as another user, in no group of ours.
fn as_other(program: &str, args: &[&str]) -> Output {
    command(program, args).uid(OTHER).gid(OTHER).current_dir("/").output().unwrap()
}

/// One that is not refused would run for ever.
fn command_on(state: &Path, args: &[&str]) -> Output {
    command("timeout", &[&["10", BINARY], args].concat()).arg("--state-dir").arg(state).output().unwrap()
}

/// How it ended and what it said, in plain text.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), anstream::adapter::strip_str(&String::from_utf8(text).unwrap()).to_string())
}

const RUN: [&str; 5] = ["run", "--listen", "127.0.0.1:0", "--docker-host", "unix:///nowhere/docker.sock"];

/// Every call that works on a state directory.
const CALLS: [&[&str]; 4] =
    [&RUN, &["token", "create", "--role", "view"], &["token", "list"], &["token", "delete", "a"]];

/// Runs for a while on `state`, with something of everything that is kept there.
async fn run(home: &Path, state: &Path) -> Portreeve {
    let repository = Repository::new();
    repository
        .write("deep/a.yaml", "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve}\n");
    repository.write("deep/run.sh", "#!/bin/sh\n");
    set_mode(&repository.work().join("deep/run.sh"), 0o755);
    let commit = repository.push();
    let mut portreeve = Portreeve::new(BINARY)
        .docker_host("unix:///nowhere/docker.sock")
        .env("LOG_FILE", &home.join("portreeve.log").display().to_string())
        .arg("--git-url")
        .arg(&repository.bare().display().to_string());
    portreeve.without("--state-dir");
    let mut portreeve = portreeve.arg("--state-dir").arg(&state.display().to_string());
    let probe = "apiVersion: portreeve/v1\nkind: Probe\nmetadata: {name: a}\nspec: {tcpSocket: {port: 1}}\n";
    portreeve.manifest("probe.yaml", probe);
    portreeve.spawn();
    wait::until("all of it is in force", wait::SOON, || async {
        let answer = portreeve.get("/health/detailed").await?.json();
        let manifests = &answer["manifests"];
        wait::is(manifests["git"]["commit"] == commit.as_str(), format!("{answer}; {}", portreeve.log()))
    })
    .await;
    let (code, text) = said(&command_on(state, &["token", "create", "--role", "view"]));
    assert_eq!(code, Some(0), "{text}");
    portreeve
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_for_its_owner_alone_and_so_is_everything_that_is_ever_in_it() {
    let home = open_home();
    let state = home.path().join("a/b/state");
    let _portreeve = run(home.path(), &state).await;

    let names: Vec<String> = all_below(&state).iter().map(|path| path.display().to_string()).collect();
    for kept in [
        "/portreeve.db",
        "/portreeve.db-wal",
        "/portreeve.db-shm",
        "/portreeve.lock",
        "/portreeve.reserve",
        "/tokens.json",
        "/tokens.lock",
        "/git/repository/HEAD",
        "/deep/run.sh",
    ] {
        assert!(names.iter().any(|name| name.ends_with(kept)), "{kept} is not among {names:#?}");
    }
    assert!(names.iter().any(|name| name.contains("/manifests/") && name.ends_with(".json")), "{names:#?}");
    assert_eq!(loose(&state), Vec::<String>::new());
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&home.path().join("portreeve.log")), 0o600, "the log holds what the state does");
    // What leads there is as any directory that this user makes.
    let usual = home.path().join("usual");
    fs::create_dir(&usual).unwrap();
    for parent in ["a", "a/b"] {
        assert_eq!(mode(&home.path().join(parent)), mode(&usual), "{parent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_of_the_machine_can_read_and_list_nothing_of_it() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can look as somebody else");
        return;
    }
    let home = open_home();
    let state = home.path().join("state");
    let portreeve = run(home.path(), &state).await;
    let passable = as_other("ls", &["-ld", &state.display().to_string()]);
    assert!(passable.status.success(), "the way there is open, or nothing is shown: {passable:?}");
    let listed = as_other("ls", &[&state.display().to_string()]);
    assert!(!listed.status.success(), "{listed:?}");
    for path in all_below(&state) {
        let path = path.display().to_string();
        for (program, args) in [("cat", vec![&*path]), ("stat", vec!["-L", &*format!("{path}/.")])] {
            let output = as_other(program, &args);
            let quiet = !output.status.success() && output.stdout.is_empty();
            assert!(quiet, "{program} {path}: {output:?}");
        }
    }
    // Nor by way of the process: `/proc/PID/fd` has all that it opened.
    let open = as_other("ls", &[&format!("/proc/{}/fd", portreeve.pid())]);
    assert!(!open.status.success(), "{open:?}");
}

#[test]
fn a_directory_that_others_may_enter_is_refused_by_every_call_and_left_as_it_is() {
    let home = open_home();
    for open in [0o755, 0o750, 0o701, 0o777, 0o1777] {
        let state = home.path().join(format!("state {open:o}"));
        fs::create_dir(&state).unwrap();
        set_mode(&state, open);
        for call in CALLS {
            let (code, text) = said(&command_on(&state, call));
            let place = state.display();
            let expected = format!(
                "error: the state directory {place} is open to other users (mode {open:04o}) and contains private \
                data: make it private with `chmod 700 '{place}'`, or name another one with --state-dir\n"
            );
            assert_eq!((code, text), (Some(2), expected), "{call:?}");
            assert_eq!(mode(&state), open, "{call:?}");
            assert_eq!(all_below(&state).len(), 1, "{call:?} made something there");
        }
    }
}

#[test]
fn a_directory_of_somebody_else_is_refused_by_every_call() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give a directory away");
        return;
    }
    let home = open_home();
    let state = home.path().join("state");
    fs::DirBuilder::new().mode(0o700).create(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(OTHER), Some(OTHER)).unwrap();
    for call in CALLS {
        let (code, text) = said(&command_on(&state, call));
        let place = state.display();
        let expected = format!(
            "error: the state directory {place} belongs to uid 65534, who could read and replace what is kept there, \
             and this process runs as uid 0: run it as that user (`sudo -u '#65534' … --state-dir {place}`), hand the directory over with \
             `chown -R 0 {place}`, or \
             name another one with --state-dir\n"
        );
        assert_eq!((code, text), (Some(2), expected), "{call:?}");
        assert_eq!(all_below(&state).len(), 1, "{call:?} made something there");
    }
    // Its owner may; the program lies where only we can reach it, perhaps.
    let program = home.path().join("portreeve");
    fs::copy(BINARY, &program).unwrap();
    let (program, place) = (program.display().to_string(), state.display().to_string());
    let (code, text) =
        said(&as_other(&program, &["token", "create", "--role", "view", "--state-dir", &place]));
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(loose(&state), Vec::<String>::new());
}

#[test]
fn what_is_no_directory_is_refused_and_what_cannot_be_made_is_said() {
    let home = open_home();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    for (state, why) in [(file.clone(), "is not a directory"), (file.join("below"), "Not a directory")] {
        for call in &CALLS[..2] {
            let (code, text) = said(&command_on(&state, call));
            let named = text.contains(&format!("the state directory {}", state.display()));
            assert!(code == Some(2) && named && text.contains(why), "{call:?}: {code:?} {text}");
        }
    }
    // To look is no reason to make one.
    let nowhere = home.path().join("nowhere");
    assert_eq!(
        said(&command_on(&nowhere, &["token", "list"])),
        (
            Some(0),
            format!(
                "NAME  ROLE  CREATED\ntokens of the Portreeve whose state is in {}:\n",
                nowhere.display()
            )
        )
    );
    let (code, text) = said(&command_on(&nowhere, &["token", "delete", "a"]));
    assert_eq!((code, &*text), (Some(1), "error: there is no token named \"a\"\n"));
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn what_an_earlier_version_left_open_is_closed_and_nothing_else_is_touched() {
    let home = open_home();
    let state = home.path().join("state");
    fs::DirBuilder::new().mode(0o700).create(&state).unwrap();
    let outside = home.path().join("outside");
    fs::write(&outside, "for all").unwrap();
    set_mode(&outside, 0o644);
    for directory in ["manifests", "git", "git/trees"] {
        fs::create_dir_all(state.join(directory)).unwrap();
        set_mode(&state.join(directory), 0o755);
    }
    for (file, open) in [("tokens.lock", 0o666), ("manifests/a.json", 0o644), ("git/trees/run", 0o755)] {
        fs::write(state.join(file), "{}").unwrap();
        set_mode(&state.join(file), open);
    }
    symlink(&outside, state.join("git/link")).unwrap();
    let mut first = Portreeve::new(BINARY).docker_host("unix:///nowhere/docker.sock");
    first.without("--state-dir");
    let mut first = first.arg("--state-dir").arg(&state.display().to_string());
    first.spawn();
    first.wait_line("ready: listening").await;
    assert_eq!(loose(&state), Vec::<String>::new());
    assert_eq!(mode(&state.join("git/trees/run")), 0o700, "what its owner may do stays");
    assert_eq!(mode(&outside), 0o644);
    first.wait_line("closed to other users").await;
    first.terminate().await;

    // A ledger that another place was named for is as private, though its directory is not ours to judge.
    let shared = home.path().join("shared");
    fs::create_dir(&shared).unwrap();
    for name in ["ledger.db", "ledger.lock"] {
        fs::write(shared.join(name), "").unwrap();
        set_mode(&shared.join(name), 0o644);
    }
    let url = format!("sqlite:///{}", shared.join("ledger.db").display());
    let mut second = Portreeve::new(BINARY).docker_host("unix:///nowhere/docker.sock");
    second = second.env("METRICS_STORAGE_URL", &url);
    second.spawn();
    second.wait_line("ready: listening").await;
    let open: Vec<_> = loose(&shared).into_iter().skip(1).collect();
    assert_eq!(open, Vec::<String>::new());
    assert!(shared.join("ledger.db-wal").exists());
    assert_eq!(second.terminate().await.code(), Some(0));
}

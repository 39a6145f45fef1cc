//! The systemd unit that is shipped: as closed as it says, and everything works behind it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::scene::{restarted, started_at};
use crate::support::engine::Engine;
use crate::support::git::Repository;
use crate::support::lab::{HEALED, Lab};
use crate::support::machine::Machine;
use crate::support::wait;

const BINARY: &str = env!("CARGO_BIN_EXE_portreeve");
const TOKEN: &str = "tok-3f1c9a7e5d";
/// The group docker of the machine.
const DOCKER: u32 = 60_990;
/// Tenths of what `systemd-analyze security` calls the exposure.
const EXPOSURE: &str = "30";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/systemd").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap()
}

#[test]
fn it_is_understood_by_systemd_and_exposes_no_more_than_it_needs() {
    let up = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/up");
    let there = Command::new("bash").arg(up).arg("systemd").stdin(Stdio::null()).output().unwrap();
    if !there.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&there.stderr).trim());
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("portreeve.service");
    // The program is where it was built.
    std::fs::write(&unit, text("portreeve.service").replace("/usr/local/bin/portreeve", BINARY)).unwrap();
    let analyze = |args: &[&str]| {
        let output =
            Command::new("systemd-analyze").args(args).arg(&unit).stdin(Stdio::null()).output().unwrap();
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    assert_eq!(analyze(&["verify", "--man=no"]), (true, String::new()));
    let (good, said) =
        analyze(&["security", "--offline=true", &format!("--threshold={EXPOSURE}"), "--no-pager"]);
    assert!(good, "{said}");
}

#[test]
fn its_recipe_installs_all_that_it_needs() {
    let unit = text("portreeve.service");
    let recipe: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    let installed = recipe.iter().flat_map(|line| line.split("&&")).filter_map(|command| {
        let (from, to) = command.trim().strip_prefix("install -m ")?.split_once(' ')?.1.split_once(' ')?;
        let name = from.rsplit('/').next()?;
        Some((from, if to.ends_with('/') { format!("{to}{name}") } else { to.to_owned() }))
    });
    let installed: Vec<(&str, String)> = installed.collect();
    for (from, _) in installed.iter().filter(|(from, _)| !from.starts_with("target/")) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(from).is_file(), "{from}");
    }
    let program = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")?.split(' ').next());
    for needed in
        [program.unwrap(), "/etc/systemd/system/portreeve.service", "/etc/sysusers.d/portreeve.conf"]
    {
        assert!(installed.iter().any(|(_, to)| to == needed), "nothing installs {needed}: {recipe:#?}");
    }
}

/// Everything that the machine is given before it boots.
async fn prepare(machine: &mut Machine, engine: &Engine, lab: &Lab, repository: &Repository) {
    machine.install(Path::new(BINARY));
    machine.file("etc/systemd/system/portreeve.service", &text("portreeve.service"));
    machine.file("etc/sysusers.d/portreeve.conf", &text("portreeve.sysusers"));
    machine.file(
        "etc/sysusers.d/test.conf",
        &format!("g docker {DOCKER}\nu sshd - - /run/sshd\nu stranger -\n"),
    );
    // What an administrator adds: a repository, and a token that systemd hands over.
    machine.file("etc/portreeve.token", TOKEN);
    let run = "ExecStart=\nExecStart=/usr/local/bin/portreeve run --config-dir /etc/portreeve --git-interval 1s \
               --git-url ssh://root@127.0.0.1/srv/ops.git --token-file ${CREDENTIALS_DIRECTORY}/token\n";
    let drop_in = format!("[Service]\nLoadCredential=token:/etc/portreeve.token\n{run}");
    machine.file("etc/systemd/system/portreeve.service.d/test.conf", &drop_in);
    let manifest = |kind: &str, name: &str, spec: &str| {
        let text =
            format!("apiVersion: portreeve/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n");
        machine.file(&format!("etc/portreeve/{name}.yaml"), &text);
    };
    let selector = format!("{{hosts: [local], labels: {{{HEALED}: \"{}\"}}}}", lab.run());
    manifest("AutohealPolicy", "default", &format!("{{selector: {selector}}}"));
    manifest("DockerHost", "local", "{}");
    manifest("DockerHost", "far", "{endpoint: \"ssh://root@127.0.0.1/run/docker.sock\", readOnly: true}");
    let probe = "{name: echo, icmp: {}, periodSeconds: 1}";
    manifest("MonitoredService", "ping", &format!("{{target: {{host: 127.0.0.1}}, probes: [{probe}]}}"));

    // The engine, for the machine's own group docker.
    let socket = engine.socket().unwrap();
    std::os::unix::fs::chown(socket, None, Some(DOCKER)).unwrap();
    std::fs::set_permissions(socket, PermissionsExt::from_mode(0o660)).unwrap();
    machine.bind(socket, "/run/docker.sock");
    machine.bind(&repository.bare(), "/srv/ops.git");

    // An SSH server, and the user's key where `ssh` looks for it: in what an earlier version left to root, open to all.
    let keygen = |to: &str| {
        let path = machine.path(to);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let args = ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", &path.display().to_string()];
        assert!(Command::new("ssh-keygen").args(args).stdin(Stdio::null()).status().unwrap().success());
        std::fs::read_to_string(path.with_extension("pub")).unwrap()
    };
    let host = keygen("etc/ssh/host");
    let user = keygen("var/lib/portreeve/.ssh/id_ed25519");
    machine.file("var/lib/portreeve/.ssh/known_hosts", &format!("127.0.0.1 {host}"));
    machine.file("var/lib/portreeve/tokens.json", "{\"tokens\": []}");
    machine.file("root/.ssh/authorized_keys", &user);
    machine.file(
        "etc/ssh/test_config",
        "ListenAddress 127.0.0.1\nHostKey /etc/ssh/host\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n",
    );
    machine.file(
        "etc/systemd/system/test-sshd.service",
        "[Service]\nRuntimeDirectory=sshd\nExecStart=/usr/sbin/sshd -D -e -f /etc/ssh/test_config\n",
    );
}

#[tokio::test]
async fn behind_it_engines_probes_repositories_and_healing_work() {
    let Some(mut machine) = Machine::new() else { return };
    let repository = Repository::new();
    repository.write(
        "pulled.yaml",
        "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve}\nspec: {}\n",
    );
    let commit = repository.push();
    let engine = Engine::own().await;
    let lab = Lab::new(&engine).await;
    prepare(&mut machine, &engine, &lab, &repository).await;
    let sick = lab.healed("sick").shell("rm -f /tmp/sick; exec /bin/idle");
    let sick = sick.switched_health(Duration::from_millis(200), 2).start().await;
    machine.boot().await;
    machine.said(&["systemctl", "start", "test-sshd"]);
    machine.said(&["systemctl", "start", "portreeve"]);
    let journal = || machine.said(&["journalctl", "--no-pager", "--unit=portreeve"]);

    let token = format!("PORTREEVE_TOKEN={TOKEN}");
    let ask = |words: &[&str]| {
        let command = [&["env", &token, "portreeve"], words, &["-o", "json"]].concat();
        let output = machine.run(&command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice::<Value>(&output.stdout).map_err(|_| told(said.into(), journal()))
    };
    wait::until("both engines are connected, one of them by ssh", wait::SOON, || async {
        let engines = ask(&["status"])?["health"]["engines"].clone();
        let connected = ["local", "far"].iter().all(|name| engines[name]["connected"] == true);
        if connected { Ok(()) } else { Err(told(engines, journal())) }
    })
    .await;
    wait::until("the container is seen through both", wait::SOON, || async {
        let list = ask(&["get", "containers"])?;
        let seen =
            list["items"].as_array().into_iter().flatten().filter(|item| item["id"] == sick.id()).count();
        if seen == 2 { Ok(()) } else { Err(told(list, journal())) }
    })
    .await;
    wait::until("an echo request is answered", wait::SOON, || async {
        let service = ask(&["get", "svc", "ping"])?;
        if service["status"]["health"] == "healthy" { Ok(()) } else { Err(told(service, journal())) }
    })
    .await;
    wait::until("the repository is pulled by ssh", wait::SOON, || async {
        let git = ask(&["status"])?["health"]["manifests"]["git"].clone();
        if git["commit"] == commit.as_str() { Ok(()) } else { Err(told(git, journal())) }
    })
    .await;
    let before = started_at(&sick).await;
    sick.sicken().await;
    restarted(&sick, &before).await;

    // What an earlier version had left to root and open to all is the user's, and private; so is all that came since.
    assert_eq!(machine.said(&["stat", "--format=%U %a", "/var/lib/portreeve"]), "portreeve 700\n");
    let strangers =
        "find /var/lib/portreeve '(' ! -user portreeve -o ! -type l -perm /077 ')' -printf '%u %m %p\\n'";
    assert_eq!(machine.said(&["sh", "-c", strangers]), "");
    let kept = machine.said(&[
        "find",
        "/var/lib/portreeve",
        "-name",
        "portreeve.db",
        "-o",
        "-path",
        "*/git/trees/*.yaml",
    ]);
    assert_eq!(kept.lines().count(), 2, "{kept}");
    let looked = machine.run(&["setpriv", "--reuid=stranger", "--clear-groups", "ls", "/var/lib/portreeve"]);
    assert!(!looked.status.success(), "{looked:?}");
    // The API's socket is for the group docker, without a token, and for nobody else.
    let socket = "/run/portreeve/8000.sock";
    assert_eq!(machine.said(&["stat", "--format=%U %G %a", socket]), "portreeve docker 660\n");
    let manifest =
        "apiVersion: portreeve/v1\nkind: Probe\nmetadata: {name: theirs}\nspec: {tcpSocket: {port: 1}}\n";
    machine.file("srv/probe.yaml", manifest);
    let apply = |groups: &str| {
        let user = ["setpriv", "--reuid=stranger", "--regid=stranger", groups, "portreeve"];
        machine.run(&[&user[..], &["apply", "-f", "/srv/probe.yaml"]].concat())
    };
    let refused = apply("--clear-groups");
    assert!(!refused.status.success(), "{refused:?}");
    let member = apply("--groups=docker");
    assert_eq!(String::from_utf8_lossy(&member.stdout), "Probe/theirs created\n", "{member:?}");

    // It is as closed as its unit says.
    let pid = machine.said(&["systemctl", "show", "--property=MainPID", "--value", "portreeve"]);
    let status = machine.said(&["cat", &format!("/proc/{}/status", pid.trim())]);
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_else(|| panic!("{name}: {status}"))
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let uid = machine.said(&["id", "--user", "portreeve"]);
    assert_eq!(field("Uid"), uid.trim());
    assert_ne!(field("Uid"), "0");
    // CAP_NET_RAW, capabilities(7), and nothing that could be had later.
    assert_eq!(
        (field("CapEff"), field("CapBnd")),
        ("0000000000002000".to_owned(), "0000000000002000".to_owned())
    );
    assert_eq!(
        (field("NoNewPrivs"), field("Seccomp"), field("Umask")),
        ("1".to_owned(), "2".to_owned(), "0077".to_owned())
    );

    machine.said(&["systemctl", "stop", "portreeve"]);
    let result = machine.said(&["systemctl", "show", "--property=Result", "--value", "portreeve"]);
    assert_eq!(result, "success\n", "{}", journal());
    assert!(journal().contains("stopped"), "{}", journal());
    assert!(!journal().contains(TOKEN), "{}", journal());
}

/// What was seen, below what was logged.
fn told(seen: Value, journal: String) -> String {
    format!("{journal}\n{seen:#}")
}

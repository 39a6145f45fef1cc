//! What a start says when a repository cannot be pulled from, and what it does not say.

use std::time::Duration;

use super::registry;
use crate::support::git::Repository;
use crate::support::portreeve::Portreeve;
use crate::support::wait;

const BINARY: &str = env!("CARGO_BIN_EXE_portreeve");

fn without_engine() -> Portreeve {
    let mut portreeve = Portreeve::new(BINARY).docker_host("unix:///nowhere/docker.sock");
    portreeve.without("--config-dir");
    portreeve
}

#[tokio::test]
async fn without_git_a_repository_is_refused_with_what_to_do() {
    let repository = Repository::new();
    let mut portreeve = without_engine()
        .arg("--git-url")
        .arg(&repository.bare().display().to_string())
        .env("PATH", "/nowhere");
    portreeve.spawn();
    assert_eq!(portreeve.exited(Duration::from_secs(20)).await.code(), Some(1));
    let said = "the program git cannot be found; install it (Debian: apt-get install git), or use --config-dir instead";
    portreeve.wait_line(said).await;
}

#[tokio::test]
async fn a_url_with_a_secret_is_refused_and_not_repeated() {
    let mut portreeve = without_engine().env("PORTREEVE_GIT_URL", "https://ada:hunter2@git.example/ops.git");
    portreeve.spawn();
    assert_eq!(portreeve.exited(Duration::from_secs(20)).await.code(), Some(2));
    portreeve.wait_line("--git-url contains a user or a password").await;
    assert!(!portreeve.log().contains("hunter2"), "{}", portreeve.log());
}

#[tokio::test]
async fn a_repository_out_of_reach_stops_no_start_and_is_pulled_once_it_can_be() {
    let repository = Repository::new();
    repository.write("a.yaml", &registry("a", "http://one"));
    let commit = repository.push();
    let away = repository.bare().with_extension("away");
    std::fs::rename(repository.bare(), &away).expect("a directory");
    let url = format!("file://{}", repository.bare().display());
    let mut portreeve = without_engine()
        .env("PORTREEVE_GIT_URL", &url)
        .env("PORTREEVE_GIT_REF", "main")
        .env("PORTREEVE_GIT_INTERVAL", "100ms");
    portreeve.spawn();
    let health = || async {
        let answer = portreeve.get("/health/detailed").await?;
        Ok::<_, String>(answer.json()["manifests"].clone())
    };
    let troubled = wait::until("it says what is wrong", wait::SOON, || async {
        let manifests = health().await?;
        if manifests["git"]["error"].is_object() { Ok(manifests) } else { Err(manifests.to_string()) }
    })
    .await;
    let git = &troubled["git"];
    assert_eq!(
        (&git["url"], &git["ref"], &git["commit"]),
        (&url.clone().into(), &"main".into(), &serde_json::Value::Null)
    );
    assert_eq!(git["error"]["reason"], "PullFailed");
    std::fs::rename(&away, repository.bare()).expect("a directory");
    wait::until("it is pulled", wait::SOON, || async {
        let manifests = health().await?;
        let directory = &manifests["directories"][0];
        let same = manifests["git"]["commit"] == commit.as_str()
            && directory["revision"]["commit"] == commit.as_str()
            && directory["objects"] == 1
            && manifests["git"]["error"].is_null()
            && manifests["git"]["pulled"].is_string();
        wait::is(same, manifests.to_string())
    })
    .await;
    wait::until("both are events", wait::SOON, || async {
        let events = portreeve.get("/api/events").await?.json();
        let of =
            |kind: &str| events.as_array().into_iter().flatten().any(|event| event["event_type"] == kind);
        wait::is(of("PullFailed") && of("Pulled") && of("PullRecovered"), events.to_string())
    })
    .await;
}

/// A `git` that takes a while to fetch and says how far it is, before the real one does it; where it notes each fetch.
fn slow_git(home: &std::path::Path, tenths: u32) -> (String, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let (program, fetches) = (home.join("git"), home.join("fetches"));
    let script = format!(
        r#"#!/bin/sh
case " $* " in *" fetch "*)
    echo fetch >> {}
    n=0
    while [ $n -lt {tenths} ]; do n=$((n + 1)); printf 'Receiving objects:  %s%% (%s/100)\r' $n $n >&2; sleep 0.1; done ;;
esac
PATH="${{PATH#*:}}" exec git "$@"
"#,
        fetches.display()
    );
    std::fs::write(&program, script).expect("a file");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a file");
    let path = std::env::var("PATH").expect("a path");
    (format!("{}:{path}", home.display()), fetches)
}

#[tokio::test]
async fn a_first_clone_goes_on_beside_the_start_for_as_long_as_it_comes_further() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    repository.write("a.yaml", &registry("a", "http://one"));
    let commit = repository.push();
    let (path, fetches) = slow_git(home.path(), 80);
    // Less than the clone takes, and more than it is silent for.
    let mut portreeve = without_engine()
        .env("PATH", &path)
        .arg("--git-url")
        .arg(&repository.bare().display().to_string())
        .arg("--git-timeout")
        .arg("3s")
        .arg("--git-interval")
        .arg("100ms");
    portreeve.spawn();
    let manifests = || async {
        let answer = portreeve.get("/health/detailed").await?;
        Ok::<_, String>(answer.json()["manifests"].clone())
    };
    let git = || async { Ok::<_, String>(manifests().await?["git"].clone()) };
    wait::until("it serves while it clones, and says how far it is", wait::SOON, || async {
        let manifests = manifests().await?;
        // What is not there yet is no error.
        assert_eq!(manifests["problems"], serde_json::json!([]), "{manifests:#}");
        let git = &manifests["git"];
        let progress = git["pulling"]["progress"].as_str().unwrap_or_default();
        let cloning = git["commit"].is_null() && git["error"].is_null();
        wait::is(cloning && progress.starts_with("Receiving objects:"), git.to_string())
    })
    .await;
    let line = portreeve.wait_line("is still being cloned").await;
    assert!(line.contains("starting without it"), "{line}");
    wait::until("it is cloned and in force", wait::SOON, || async {
        let git = git().await?;
        wait::is(git["commit"] == commit.as_str() && git["error"].is_null(), git.to_string())?;
        let answer = portreeve.get("/apis/portreeve/v1/discoveryregistries/a").await?;
        wait::is(answer.status == 200, answer.status.to_string())
    })
    .await;
    let log = portreeve.log();
    assert!(!log.contains("came no further"), "no fetch was cut off and begun anew: {log}");
    let count = std::fs::read_to_string(fetches).expect("a file").lines().count();
    assert!(count <= 2, "one clone, and perhaps the pull after it: {count}");
    // What follows is bounded as a whole, however much it says.
    wait::until("a later pull takes too long", wait::SOON, || async {
        let git = git().await?;
        let message = git["error"]["message"].as_str().unwrap_or_default();
        wait::is(message.contains("took longer than 3 s; --git-timeout gives"), git.to_string())
    })
    .await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_server_that_hangs() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/ops.git", silent.local_addr().expect("an address"));
    let mut portreeve = without_engine().arg("--git-url").arg(&url);
    portreeve.spawn();
    // It is taken, and never answered.
    let taken =
        tokio::time::timeout(wait::SOON, silent.accept()).await.expect("git asks").expect("a connection");
    assert!(portreeve.terminate().await.success(), "{}", portreeve.log());
    // Whoever held the other end is gone with it.
    let mut rest = Vec::new();
    let mut stream = taken.0;
    let gone = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
    let _ = tokio::time::timeout(wait::SOON, gone).await.expect("nobody holds the connection");
}

#[tokio::test]
async fn a_start_without_the_directory_that_declared_things_warns_and_keeps_them() {
    let mut portreeve = Portreeve::new(BINARY).docker_host("unix:///nowhere/docker.sock");
    portreeve.manifest("a.yaml", &registry("a", "http://one"));
    let config = portreeve.config_dir().display().to_string();
    portreeve.serve().await;
    portreeve.terminate().await;
    portreeve.without("--config-dir");
    portreeve.serve().await;
    let said =
        format!("{config}: was given to an earlier start (--config-dir, --git-url) and not to this one");
    let line = portreeve.wait_line(&said).await;
    assert!(line.contains("WARN") && line.contains("still in force: 1 object"), "{line}");
    let kept = portreeve.get("/apis/portreeve/v1/discoveryregistries/a").await.unwrap();
    assert_eq!(kept.status, 200);
    let health = portreeve.get("/health/detailed").await.unwrap().json();
    let problems = health["manifests"]["problems"].to_string();
    assert!(problems.contains("was given to an earlier start"), "what `status` tells: {problems}");
    portreeve.terminate().await;
    let mut portreeve = portreeve.arg("--allow-empty");
    portreeve.serve().await;
    let answer = portreeve.get("/apis/portreeve/v1/discoveryregistries/a").await.unwrap();
    assert_eq!(answer.status, 404, "it is confirmed");
}

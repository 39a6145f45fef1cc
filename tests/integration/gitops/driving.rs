//! A Git repository drives a running Portreeve, which is killed again and again: after each step what is in force equals
//! what the repository says.

use std::collections::BTreeMap;
use std::path::Path;

use hyper::Method;

use super::registry;
use crate::support::git::{Repository, git};
use crate::support::portreeve::Portreeve;
use crate::support::wait;

/// How a commit comes to the directory that Portreeve reads.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Somebody pulls into a work tree.
    WorkTree,
    /// Portreeve pulls.
    Pull,
}

/// When Portreeve is killed.
#[derive(Clone, Copy, PartialEq)]
enum Kill {
    Never,
    /// Before the commit comes: it finds it at its start.
    Before,
    /// Just after it came.
    After,
}

/// What is in force: for each name its URL, its file within the repository, and its conditions.
type InForce = BTreeMap<String, (String, String, String)>;

struct Drive {
    repository: Repository,
    portreeve: Portreeve,
    way: Way,
    kill: Kill,
    expected: InForce,
}

const GOOD: &str = "Accepted/Valid";
const HELD: &str = "Accepted/LastGoodInForce";

impl Drive {
    async fn start(way: Way, kill: Kill) -> Self {
        let repository = Repository::new();
        repository.write("README.md", "What is wanted.");
        repository.write("deploy/README.md", "Git knows no empty directories.");
        repository.push();
        let mut portreeve =
            Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).docker_host("unix:///nowhere/docker.sock");
        portreeve.without("--config-dir");
        let work = portreeve.home().join("work");
        portreeve = match way {
            Way::WorkTree => {
                repository.clone_to(&work);
                portreeve.arg("--config-dir").arg(&work.join("deploy").display().to_string())
            }
            Way::Pull => portreeve
                .arg("--git-url")
                .arg(&repository.bare().display().to_string())
                .arg("--git-ref")
                .arg("main")
                .arg("--git-path")
                .arg("deploy")
                .arg("--git-interval")
                .arg("100ms"),
        };
        portreeve.serve().await;
        Self { repository, portreeve, way, kill, expected: InForce::new() }
    }

    fn root(&self) -> String {
        let root = match self.way {
            Way::WorkTree => self.portreeve.home().join("work/deploy"),
            Way::Pull => self.portreeve.state_dir().join("git/current/deploy"),
        };
        format!("directory:{}/", root.display())
    }

    fn expect(&mut self, name: &str, url: &str, file: &str, condition: &str) {
        self.expected.insert(name.to_owned(), (url.to_owned(), file.to_owned(), condition.to_owned()));
    }

    /// Kills it, once it has stored what it shows: a write that is answered comes after that.
    async fn kill9(&mut self) {
        let write = || async {
            let document = serde_json::json!({
                "apiVersion": "portreeve/v1", "kind": "BillingService", "metadata": {"name": "marker"}, "spec": {"url": "http://b"},
            });
            let path = "/apis/portreeve/v1/billingservices/marker";
            let answer = self.portreeve.edit(Method::PUT, path, &document.to_string()).await?;
            wait::is(answer.status < 300, format!("{answer:?}"))
        };
        wait::until("it stores", wait::SOON, write).await;
        let path = "/apis/portreeve/v1/billingservices/marker";
        let answer = self.portreeve.edit(Method::DELETE, path, "").await.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        self.portreeve.kill9().await;
    }

    /// Pushes what was changed, has it come, and waits until what is in force is as expected.
    async fn step(&mut self, what: &str) {
        let commit = self.repository.push();
        if self.kill == Kill::Before {
            self.kill9().await;
        }
        if self.way == Way::WorkTree {
            git(&self.portreeve.home().join("work"), &["pull", "--quiet", "--ff-only"]);
        }
        if self.kill == Kill::After {
            self.kill9().await;
        }
        if self.kill != Kill::Never {
            self.portreeve.serve().await;
        }
        self.reached(what, &commit).await;
    }

    async fn reached(&self, what: &str, commit: &str) {
        wait::until(what, wait::SOON, || async {
            let log = |error| format!("{error}; its log:\n{}", self.portreeve.log());
            let (found, _) = self.found().await.map_err(log)?;
            let health = self.portreeve.get("/health/detailed").await.map_err(log)?.json();
            let shown = health.pointer("/manifests/directories/0/revision/commit").cloned();
            if found == self.expected && shown.as_ref().is_some_and(|shown| shown == commit) {
                return Ok(());
            }
            Err(format!(
                "{found:#?}\ninstead of {:#?}\nat {shown:?}; its log:\n{}",
                self.expected,
                self.portreeve.log()
            ))
        })
        .await;
    }

    /// What the API lists of the directory, and the uid of each.
    async fn found(&self) -> Result<(InForce, BTreeMap<String, String>), String> {
        let list = self.portreeve.get("/apis/portreeve/v1/discoveryregistries").await?.json();
        let (mut found, mut uids) = (InForce::new(), BTreeMap::new());
        for item in list["items"].as_array().into_iter().flatten() {
            let text =
                |pointer: &str| item.pointer(pointer).and_then(|text| text.as_str()).unwrap_or_default();
            let Some(file) = text("/metadata/origin").strip_prefix(&self.root()) else { continue };
            let conditions =
                item.pointer("/status/conditions").and_then(|list| list.as_array()).into_iter().flatten();
            let conditions: Vec<String> = conditions
                .map(|one| {
                    format!(
                        "{}/{}",
                        one["type"].as_str().unwrap_or_default(),
                        one["reason"].as_str().unwrap_or_default()
                    )
                })
                .collect();
            let name = text("/metadata/name").to_owned();
            uids.insert(name.clone(), text("/metadata/uid").to_owned());
            found.insert(name, (text("/spec/url").to_owned(), file.to_owned(), conditions.join(" ")));
        }
        Ok((found, uids))
    }

    async fn uids(&self) -> BTreeMap<String, String> {
        self.found().await.expect("an answer").1
    }
}

fn two(one: (&str, &str), other: (&str, &str)) -> String {
    format!("{}---\n{}", registry(one.0, one.1), registry(other.0, other.1))
}

async fn a_repository_drives(way: Way, kill: Kill) {
    let mut drive = Drive::start(way, kill).await;
    drive.repository.write("deploy/a.yaml", &two(("a1", "http://one"), ("a2", "http://one")));
    drive.repository.write("deploy/sub/b.yaml", &registry("b", "http://one"));
    drive.expect("a1", "http://one", "a.yaml", GOOD);
    drive.expect("a2", "http://one", "a.yaml", GOOD);
    drive.expect("b", "http://one", "sub/b.yaml", GOOD);
    drive.step("three objects are created").await;
    let first = drive.uids().await;

    drive.repository.write("deploy/a.yaml", &two(("a1", "http://two"), ("a2", "http://one")));
    drive.expect("a1", "http://two", "a.yaml", GOOD);
    drive.step("one is changed").await;

    // A file is broken, and another is changed with it.
    drive.repository.write("deploy/a.yaml", &two(("a1", "http://three"), ("a2", "nonsense")));
    drive.repository.write("deploy/sub/b.yaml", &registry("b", "http://two"));
    drive.expect("a1", "http://two", "a.yaml", HELD);
    drive.expect("a2", "http://one", "a.yaml", HELD);
    drive.expect("b", "http://two", "sub/b.yaml", GOOD);
    drive.step("what was good last stays").await;
    let health = drive.portreeve.get("/health/detailed").await.expect("an answer").json();
    let directory = &health["manifests"]["directories"][0];
    let problem = &directory["problems"][0];
    assert!(problem["file"].as_str().is_some_and(|file| file.ends_with("deploy/a.yaml")), "{directory:#}");
    assert_eq!((&problem["line"], &directory["objects"]), (&9.into(), &3.into()), "{directory:#}");
    assert!(
        problem["message"].as_str().is_some_and(|text| text.starts_with("spec.url: must start with")),
        "{directory:#}"
    );

    drive.repository.write("deploy/a.yaml", &two(("a1", "http://three"), ("a2", "http://two")));
    drive.expect("a1", "http://three", "a.yaml", GOOD);
    drive.expect("a2", "http://two", "a.yaml", GOOD);
    drive.step("it is mended").await;

    drive.repository.rename("deploy/a.yaml", "deploy/sub/c.yaml");
    drive.repository.rename("deploy/sub/b.yaml", "deploy/z.yaml");
    for (name, url, file) in [
        ("a1", "http://three", "sub/c.yaml"),
        ("a2", "http://two", "sub/c.yaml"),
        ("b", "http://two", "z.yaml"),
    ] {
        drive.expect(name, url, file, GOOD);
    }
    drive.step("files are renamed").await;
    assert_eq!(drive.uids().await, first, "the same objects as before");

    drive.repository.write("deploy/sub/c.yaml", &registry("a2", "http://two"));
    drive.repository.remove("deploy/z.yaml");
    drive.expected.remove("a1");
    drive.expected.remove("b");
    drive.step("two are deleted").await;

    drive.repository.write("deploy/z.yaml", &registry("b", "http://two"));
    drive.expect("b", "http://two", "z.yaml", GOOD);
    drive.step("one is back").await;
    let last = drive.uids().await;
    assert_eq!(last["a2"], first["a2"]);
    assert_ne!(last["b"], first["b"], "another one of the same name");

    // What a directory owns nobody else changes.
    let path = "/apis/portreeve/v1/discoveryregistries/b";
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let document = serde_json::json!({
            "apiVersion": "portreeve/v1", "kind": "DiscoveryRegistry", "metadata": {"name": "b"}, "spec": {"url": "http://drift"},
        });
        let answer = drive.portreeve.edit(method.clone(), path, &document.to_string()).await;
        let answer = answer.expect("an answer");
        assert!(
            answer.status == 409 && answer.body.contains("/z.yaml; change it there"),
            "{method}: {answer:?}"
        );
        let pulled = answer.body.contains("ops.git: change it in that repository");
        assert_eq!(pulled, way == Way::Pull, "{method}: {answer:?}");
    }

    // The directory itself goes: nothing does with it.
    git(&drive.repository.work(), &["rm", "-r", "--quiet", "deploy"]);
    for (_, _, condition) in drive.expected.values_mut() {
        *condition = HELD.to_owned();
    }
    let (expected, commit) = (drive.expected.clone(), drive.repository.push());
    if drive.kill == Kill::Before {
        drive.kill9().await;
    }
    if way == Way::WorkTree {
        git(&drive.portreeve.home().join("work"), &["pull", "--quiet", "--ff-only"]);
    }
    if drive.kill != Kill::Never {
        if drive.kill == Kill::After {
            drive.kill9().await;
        }
        drive.portreeve.serve().await;
    }
    wait::until("its absence is said and takes nothing with it", wait::SOON, || async {
        let (found, _) = drive.found().await?;
        let health = drive.portreeve.get("/health/detailed").await?.body;
        let said =
            health.contains("there is no such file or directory; its last valid version stays in force");
        wait::is(said && found == expected, format!("{found:#?}\n{health}"))
    })
    .await;
    assert!(Path::new(&drive.repository.bare()).exists() && !commit.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_work_tree_drives_portreeve() {
    a_repository_drives(Way::WorkTree, Kill::Never).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_work_tree_drives_portreeve_that_is_dead_when_a_commit_comes() {
    a_repository_drives(Way::WorkTree, Kill::Before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_work_tree_drives_portreeve_that_is_killed_as_a_commit_comes() {
    a_repository_drives(Way::WorkTree, Kill::After).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_repository_drives_portreeve() {
    a_repository_drives(Way::Pull, Kill::Never).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_repository_drives_portreeve_that_is_dead_when_a_commit_comes() {
    a_repository_drives(Way::Pull, Kill::Before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_repository_drives_portreeve_that_is_killed_as_a_commit_comes() {
    a_repository_drives(Way::Pull, Kill::After).await;
}

//! What is pulled is in force commit by commit, forwards, and whatever happens to the repository, the network or us.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use portreeve::manifest::git::{Address, GitSource, Puller};

use super::{puller, registry, source};
use crate::support::git::{Repository, git};

/// The files in force, with what they hold.
fn files(puller: &Puller) -> Vec<(String, String)> {
    let entries = fs::read_dir(puller.directory()).expect("what was pulled");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file() && path.file_name().is_some_and(|name| name != ".git"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

fn commit(puller: &Puller) -> Option<String> {
    puller.pulled().borrow().commit.clone()
}

fn trouble(puller: &Puller) -> Option<(&'static str, String)> {
    puller.pulled().borrow().trouble.clone().map(|trouble| (trouble.reason, trouble.message))
}

#[tokio::test]
async fn commits_are_followed_and_a_rewritten_history_is_refused_until_somebody_takes_it() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    repository.write("a.yaml", &registry("a", "http://one"));
    let first = repository.push();
    let mut puller = puller(source(&repository), home.path());
    assert!(!puller.has_pulled());
    assert!(puller.pull().await);
    assert_eq!((commit(&puller), trouble(&puller)), (Some(first), None));
    assert_eq!(files(&puller), [("a.yaml".to_owned(), registry("a", "http://one"))]);
    let asked = puller.pulled().borrow().at;
    assert!(!puller.pull().await, "nothing is new");
    assert!(puller.pulled().borrow().at > asked);

    repository.rename("a.yaml", "b.yaml");
    let second = repository.push();
    assert!(puller.pull().await);
    assert_eq!(commit(&puller), Some(second.clone()));
    assert_eq!(files(&puller), [("b.yaml".to_owned(), registry("a", "http://one"))]);

    repository.write("b.yaml", &registry("a", "http://other"));
    let rewritten = repository.rewrite();
    assert!(!puller.pull().await);
    assert_eq!(commit(&puller), Some(second.clone()));
    assert_eq!(files(&puller), [("b.yaml".to_owned(), registry("a", "http://one"))]);
    let (reason, message) = trouble(&puller).expect("trouble");
    assert_eq!(reason, "HistoryRewritten");
    let says = format!(
        "main of {} was rewritten: {} does not follow {}",
        repository.bare().display(),
        &rewritten[..12],
        &second[..12]
    );
    assert!(
        message.starts_with(&says) && message.ends_with(&format!("remove {}/current", home.path().display())),
        "{message}"
    );
    // What comes after it has the same past.
    repository.push();
    assert!(!puller.pull().await);
    assert_eq!(trouble(&puller).map(|(reason, _)| reason), Some("HistoryRewritten"));

    fs::remove_file(home.path().join("current")).expect("a link");
    assert!(puller.pull().await);
    assert_eq!((commit(&puller), trouble(&puller)), (Some(repository.head()), None));
    assert_eq!(files(&puller), [("b.yaml".to_owned(), registry("a", "http://other"))]);
}

#[tokio::test]
async fn going_back_to_an_older_commit_is_no_step_forwards_either() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    let first = repository.push();
    let second = repository.push();
    let mut puller = puller(source(&repository), home.path());
    assert!(puller.pull().await);
    git(&repository.work(), &["push", "--quiet", "--force", "origin", &format!("{first}:main")]);
    assert!(!puller.pull().await);
    assert_eq!(trouble(&puller).map(|(reason, _)| reason), Some("HistoryRewritten"));
    // Where it was taken back by a commit of its own, or the branch goes on, all is well again.
    git(&repository.work(), &["push", "--quiet", "origin", &format!("{second}:main")]);
    assert!(!puller.pull().await);
    assert_eq!((commit(&puller), trouble(&puller)), (Some(second), None));
}

#[tokio::test]
async fn what_was_pulled_stays_without_the_repository_and_over_restarts() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    repository.write("a.yaml", &registry("a", "http://one"));
    let first = repository.push();
    assert!(puller(source(&repository), home.path()).pull().await);
    let away = repository.bare().with_extension("away");
    fs::rename(repository.bare(), &away).expect("a directory");
    let mut again = puller(source(&repository), home.path());
    assert!(again.has_pulled());
    assert_eq!(commit(&again), Some(first.clone()), "before anybody was asked");
    assert!(!again.pull().await);
    let (reason, message) = trouble(&again).expect("trouble");
    assert_eq!(reason, "PullFailed");
    assert!(
        message.contains("cannot be pulled: git fetch: fatal: ") && message.contains("ops.git"),
        "{message}"
    );
    assert_eq!(files(&again), [("a.yaml".to_owned(), registry("a", "http://one"))]);
    assert_eq!(again.pulled().borrow().at, None);
    fs::rename(&away, repository.bare()).expect("a directory");
    // What is rewritten while nobody looks is found out, too.
    repository.write("a.yaml", &registry("a", "http://two"));
    repository.rewrite();
    assert!(!puller(source(&repository), home.path()).pull().await);
    assert_eq!(commit(&again), Some(first));
}

#[tokio::test]
async fn what_a_kill_left_behind_is_in_nobodys_way() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    repository.write("a.yaml", &registry("a", "http://one"));
    repository.push();
    assert!(puller(source(&repository), home.path()).pull().await);
    repository.write("a.yaml", &registry("a", "http://two"));
    let second = repository.push();
    // Locks of a fetch, half of a work tree, and a link on its way.
    let inner = home.path().join("repository");
    fs::write(inner.join("refs/portreeve/fetched.lock"), "").expect("a file");
    fs::write(inner.join("config.lock"), "").expect("a file");
    let current = fs::read_link(home.path().join("current")).expect("a link");
    let source_id = current.to_str().and_then(|name| name.rsplit('-').next()).expect("a name").to_owned();
    let half = home.path().join(format!("trees/{second}-{source_id}"));
    fs::create_dir(&half).expect("a directory");
    fs::write(half.join("a.yaml"), "").expect("a file");
    symlink("nowhere", home.path().join("current.new")).expect("a link");
    let mut again = puller(source(&repository), home.path());
    assert!(again.pull().await, "{:?}", trouble(&again));
    assert_eq!(files(&again), [("a.yaml".to_owned(), registry("a", "http://two"))]);

    // Without its repository, or with a broken one, it is made anew; the history that was seen is not forgotten.
    fs::remove_dir_all(&inner).expect("a directory");
    repository.rewrite();
    let mut again = puller(source(&repository), home.path());
    assert!(!again.pull().await);
    assert_eq!(trouble(&again).map(|(reason, _)| reason), Some("HistoryRewritten"));
}

#[tokio::test]
async fn only_the_last_commits_are_kept_on_disk() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    let mut puller = puller(source(&repository), home.path());
    for _ in 0..4 {
        repository.push();
        assert!(puller.pull().await);
    }
    assert_eq!(fs::read_dir(home.path().join("trees")).expect("a directory").count(), 2);
}

#[tokio::test]
async fn another_branch_or_repository_is_a_decision_and_not_a_rewritten_history() {
    let (one, two, home) = (Repository::new(), Repository::new(), tempfile::tempdir().expect("a directory"));
    one.write("a.yaml", &registry("a", "http://one"));
    one.push();
    two.write("b.yaml", &registry("b", "http://two"));
    let other = two.push();
    assert!(puller(source(&one), home.path()).pull().await);
    // Until it has been reached, what the old one said stays in force.
    let missing = GitSource { reference: "mian".to_owned(), ..source(&two) };
    let mut slip = puller(missing, home.path());
    assert!(!slip.pull().await);
    let (_, message) = trouble(&slip).expect("trouble");
    assert!(message.contains("mian") && message.contains("fatal: couldn't find remote ref"), "{message}");
    assert_eq!(files(&slip).len(), 1);
    let mut puller = puller(source(&two), home.path());
    assert!(puller.pull().await);
    assert_eq!((commit(&puller), files(&puller)[0].0.as_str()), (Some(other), "b.yaml"));
}

#[tokio::test]
async fn a_tag_and_the_default_branch_are_followed_like_a_branch() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    let first = repository.push();
    git(&repository.work(), &["tag", "--annotate", "--message", "the first", "v1"]);
    git(&repository.work(), &["push", "--quiet", "origin", "v1"]);
    let second = repository.push();
    let at = |reference: &str, home: &Path| {
        puller(GitSource { reference: reference.to_owned(), ..source(&repository) }, home)
    };
    for (reference, wanted) in [("v1", &first), ("HEAD", &second), ("refs/heads/main", &second)] {
        let mut puller = at(reference, home.path());
        assert!(puller.pull().await, "{reference}: {:?}", trouble(&puller));
        assert_eq!(commit(&puller).as_ref(), Some(wanted), "{reference}");
    }
}

#[tokio::test]
async fn nothing_in_a_repository_leads_out_of_it_or_is_run() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    let (outside, ran) = (home.path().join("outside"), home.path().join("ran"));
    fs::write(&outside, "a secret of this machine").expect("a file");
    symlink(&outside, repository.work().join("a.yaml")).expect("a link");
    symlink("/", repository.work().join("everything")).expect("a link");
    repository.write(".gitattributes", "* filter=evil\n");
    repository.push();
    let hook = repository.bare().join("hooks/post-checkout");
    fs::create_dir_all(hook.parent().expect("a parent")).expect("a directory");
    fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", ran.display())).expect("a file");
    let mut puller = puller(source(&repository), &home.path().join("git"));
    assert!(puller.pull().await, "{:?}", trouble(&puller));
    let tree = puller.directory();
    for link in ["a.yaml", "everything"] {
        assert!(fs::symlink_metadata(tree.join(link)).expect("an entry").is_file(), "{link}");
    }
    assert_eq!(fs::read_to_string(tree.join("a.yaml")).expect("a file"), outside.display().to_string());
    assert!(!ran.exists());
}

#[tokio::test]
async fn a_file_url_and_a_path_within_are_taken() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    repository.write("deploy/prod/a.yaml", &registry("a", "http://one"));
    repository.write("b.yaml", "not for us");
    repository.push();
    let address = Address::parse(&format!("file://{}", repository.bare().display())).expect("an address");
    let mut puller =
        puller(GitSource { address, path: "deploy/prod".into(), ..source(&repository) }, home.path());
    assert!(puller.pull().await, "{:?}", trouble(&puller));
    assert_eq!(puller.directory(), home.path().join("current/deploy/prod"));
    assert_eq!(files(&puller).len(), 1);
}

/// A puller of the repository at `path`, by `reference`.
fn at(path: &Path, reference: &str, home: &Path, repository: &Repository) -> Puller {
    let address = Address::parse(&path.display().to_string()).expect("an address");
    puller(GitSource { address, reference: reference.to_owned(), ..source(repository) }, home)
}

#[tokio::test]
async fn a_branch_is_meant_before_a_tag_of_the_same_name() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    let first = repository.push();
    git(&repository.work(), &["tag", "main"]);
    git(&repository.work(), &["push", "--quiet", "origin", "refs/tags/main"]);
    git(&repository.work(), &["commit", "--quiet", "--allow-empty", "--message", "a change"]);
    git(&repository.work(), &["push", "--quiet", "origin", "refs/heads/main"]);
    let second = repository.head();
    assert_ne!(first, second);
    for (place, reference, wanted) in [
        ("a", "main", &second),
        ("b", "refs/heads/main", &second),
        ("c", "refs/tags/main", &first),
        ("d", "heads/main", &second),
    ] {
        let mut puller = at(&repository.bare(), reference, &home.path().join(place), &repository);
        assert!(puller.pull().await, "{reference}: {:?}", trouble(&puller));
        assert_eq!(commit(&puller).as_ref(), Some(wanted), "{reference}");
    }
}

#[tokio::test]
async fn a_repository_of_another_user_is_read_since_it_was_named() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    let commit_id = repository.push();
    let nobody = |path: &Path| {
        let done = std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(path).status();
        assert!(done.expect("chown").success(), "only root can give a directory away");
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("not shown: only root can give a directory away");
        return;
    }
    let work = home.path().join("a\"work\"tree");
    repository.clone_to(&work);
    for path in [repository.bare(), work.clone()] {
        nobody(&path);
    }
    for (place, url) in [
        ("a", repository.bare().display().to_string()),
        ("b", format!("file://{}", repository.bare().display())),
        ("c", work.display().to_string()),
    ] {
        let mut puller = at(Path::new(&url), "main", &home.path().join(place), &repository);
        assert!(puller.pull().await, "{url}: {:?}", trouble(&puller));
        assert_eq!(commit(&puller).as_ref(), Some(&commit_id), "{url}");
    }
}

#[tokio::test]
async fn a_shallow_clone_is_followed_like_any_other_repository() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    for _ in 0..3 {
        repository.push();
    }
    let shallow = home.path().join("shallow");
    let url = format!("file://{}", repository.bare().display());
    git(home.path(), &["clone", "--quiet", "--depth", "1", &url, &shallow.display().to_string()]);
    let mut puller = at(&shallow, "main", &home.path().join("git"), &repository);
    assert!(puller.pull().await, "{:?}", trouble(&puller));
    assert_eq!(commit(&puller), Some(repository.head()));
    let next = repository.push();
    git(&shallow, &["pull", "--quiet", "--ff-only"]);
    assert!(puller.pull().await, "{:?}", trouble(&puller));
    assert_eq!((commit(&puller), trouble(&puller)), (Some(next), None));
    repository.rewrite();
    git(&shallow, &["fetch", "--quiet", "--update-head-ok", "--force", "origin", "main:main"]);
    assert!(!puller.pull().await);
    assert_eq!(trouble(&puller).map(|(reason, _)| reason), Some("HistoryRewritten"));
}

#[tokio::test]
async fn a_repository_with_sha_256_objects_is_pulled_and_so_is_one_after_the_other() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    let usual = repository.push();
    let other = home.path().join("sha256");
    git(home.path(), &["init", "--quiet", "--object-format=sha256", "--initial-branch=main", "sha256"]);
    git(&other, &["commit", "--quiet", "--allow-empty", "--message", "a change"]);
    let long = git(&other, &["rev-parse", "HEAD"]);
    assert_eq!(long.len(), 64);
    for (path, wanted) in [(&other, &long), (&repository.bare(), &usual), (&other, &long)] {
        let mut puller = at(path, "main", &home.path().join("git"), &repository);
        assert!(puller.pull().await, "{:?}", trouble(&puller));
        assert_eq!(commit(&puller).as_ref(), Some(wanted));
        assert!(!puller.pull().await && trouble(&puller).is_none(), "{:?}", trouble(&puller));
    }
}

#[tokio::test]
async fn what_a_killed_fetch_left_is_removed() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    repository.push();
    assert!(puller(source(&repository), home.path()).pull().await);
    let left = home.path().join("repository/objects/pack/tmp_pack_XyZ123");
    fs::write(&left, "half of a pack").expect("a file");
    repository.push();
    assert!(puller(source(&repository), home.path()).pull().await);
    assert!(!left.exists());
}

#[tokio::test]
async fn how_long_a_pull_may_take_can_be_said_and_is() {
    let (repository, home) = (Repository::new(), tempfile::tempdir().expect("a directory"));
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/ops.git", silent.local_addr().expect("an address"));
    let address = Address::parse(&address).expect("an address");
    let source = GitSource {
        address,
        timeout: portreeve::resource::Duration::from_millis(1000),
        ..source(&repository)
    };
    let mut puller = puller(source, home.path());
    assert!(!puller.pull().await);
    let (_, message) = trouble(&puller).expect("trouble");
    let says = "git fetch was stopped: it came no further for 1 s; --git-timeout gives a pull more time";
    assert!(message.ends_with(says), "{message}");
}

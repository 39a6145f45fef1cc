use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

fn host(name: &str) -> String {
    format!("apiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {{name: {name}}}\nspec: {{}}\n")
}

fn names(set: &LoadedSet) -> Vec<&str> {
    set.objects.iter().map(|loaded| loaded.object.metadata.name.as_str()).collect()
}

async fn start(root: &Path, rescan: Duration) -> (watch::Receiver<Arc<LoadedSet>>, CancellationToken) {
    let (watched, stop) = begin(root, rescan).await;
    (watched.sets, stop)
}

async fn begin(root: &Path, rescan: Duration) -> (Watched, CancellationToken) {
    let stop = CancellationToken::new();
    let pace = Pace { rescan, patience: NEVER };
    let (watched, work) = watch_at(pace, Directories::new(vec![root.to_owned()]), stop.clone()).await;
    tokio::spawn(work);
    (watched, stop)
}

/// Waits until the set holds just this object.
async fn until(told: &mut watch::Receiver<Arc<LoadedSet>>, name: &str) {
    let there = tokio::time::timeout(Duration::from_secs(20), told.wait_for(|set| names(set) == [name]));
    there.await.expect("told in time").expect("still watching");
}

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_file_renamed_into_place_is_seen_by_its_event_and_the_same_content_is_not_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("conf");
    fs::create_dir(&root).expect("a directory");
    fs::write(root.join("a.yaml"), host("one")).expect("a file");
    let (mut told, stop) = start(&root, NEVER).await;
    assert_eq!(names(&told.borrow_and_update()), ["one"]);
    fs::write(dir.path().join("new"), host("two")).expect("a file");
    fs::rename(dir.path().join("new"), root.join("a.yaml")).expect("a file");
    until(&mut told, "two").await;
    told.mark_unchanged();
    fs::write(root.join("a.yaml"), host("two")).expect("a file");
    tokio::time::sleep(QUIET * 5).await;
    assert!(!told.has_changed().expect("still watching"));
    stop.cancel();
    assert!(told.changed().await.is_err(), "the work ends with the token");
}

#[tokio::test]
async fn a_volume_that_swaps_its_data_link_is_seen() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path();
    for (version, name) in [("..v1", "one"), ("..v2", "two")] {
        fs::create_dir(root.join(version)).expect("a directory");
        fs::write(root.join(version).join("a.yaml"), host(name)).expect("a file");
    }
    symlink("..v1", root.join("..data")).expect("a link");
    symlink("..data/a.yaml", root.join("a.yaml")).expect("a link");
    let (mut told, _stop) = start(root, NEVER).await;
    assert_eq!(names(&told.borrow_and_update()), ["one"]);
    symlink("..v2", root.join("..data_tmp")).expect("a link");
    fs::rename(root.join("..data_tmp"), root.join("..data")).expect("a link");
    until(&mut told, "two").await;
}

#[tokio::test]
async fn a_directory_that_appears_or_is_replaced_is_read_without_a_rescan() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("conf");
    let (mut told, _stop) = start(&root, Duration::from_secs(3600)).await;
    assert_eq!(told.borrow_and_update().problems.len(), 1);
    for name in ["one", "two"] {
        let next = dir.path().join(name);
        fs::create_dir(&next).expect("a directory");
        fs::write(next.join("a.yaml"), host(name)).expect("a file");
        let _ = fs::remove_dir_all(&root);
        fs::rename(&next, &root).expect("a directory");
        until(&mut told, name).await;
    }
}

#[tokio::test]
async fn reading_wakes_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("a.yaml"), host("one")).expect("a file");
    let (hint, mut hints) = mpsc::channel(1);
    let mut eyes = Eyes::new(vec![dir.path().to_owned()], Hint(hint));
    eyes.open();
    for _ in 0..3 {
        drop(Directories::new(vec![dir.path().to_owned()]).load());
        eyes.open();
    }
    assert!(tokio::time::timeout(QUIET * 3, hints.recv()).await.is_err());
}

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

/// A directory `conf` in a work tree, one object in it.
fn work_tree() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let conf = dir.path().join("conf");
    for path in [&conf, &dir.path().join(".git")] {
        fs::create_dir(path).expect("a directory");
    }
    fs::write(dir.path().join(".git/HEAD"), ONE).expect("a file");
    fs::write(conf.join("a.yaml"), host("one")).expect("a file");
    (dir, conf)
}

#[tokio::test]
async fn another_commit_is_shown_though_it_changes_no_manifest() {
    let (dir, conf) = work_tree();
    let (mut watched, _stop) = begin(&conf, NEVER).await;
    let commit = |states: &Vec<DirectoryState>| states[0].revision.clone().map(|revision| revision.commit);
    assert_eq!(commit(&watched.states.borrow_and_update()).as_deref(), Some(ONE));
    fs::write(dir.path().join(".git/HEAD.lock"), TWO).expect("a file");
    fs::rename(dir.path().join(".git/HEAD.lock"), dir.path().join(".git/HEAD")).expect("a file");
    let there = watched.states.wait_for(|states| commit(states).as_deref() == Some(TWO));
    tokio::time::timeout(Duration::from_secs(20), there)
        .await
        .expect("told in time")
        .expect("still watching");
    assert!(!watched.sets.has_changed().expect("still watching"));
}

#[tokio::test]
async fn half_of_a_commit_is_not_read() {
    let (dir, conf) = work_tree();
    let (mut told, _stop) = start(&conf, NEVER).await;
    let lock = dir.path().join(".git/index.lock");
    fs::write(&lock, "").expect("a file");
    fs::remove_file(conf.join("a.yaml")).expect("a file");
    tokio::time::sleep(QUIET * 4).await;
    assert!(!told.has_changed().expect("still watching"));
    fs::write(conf.join("b.yaml"), host("two")).expect("a file");
    fs::remove_file(&lock).expect("a file");
    tokio::time::timeout(Duration::from_secs(20), told.changed()).await.expect("in time").expect("watching");
    assert_eq!(names(&told.borrow()), ["two"]);
}

#[tokio::test]
async fn who_knows_of_a_change_can_say_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let (one, two, link) = (dir.path().join("one"), dir.path().join("two"), dir.path().join("link"));
    for (path, name) in [(&one, "one"), (&two, "two")] {
        fs::create_dir(path).expect("a directory");
        fs::write(path.join("a.yaml"), host(name)).expect("a file");
    }
    symlink(&one, &link).expect("a link");
    let (mut watched, _stop) = begin(&link, NEVER).await;
    assert_eq!(names(&watched.sets.borrow_and_update()), ["one"]);
    symlink(&two, dir.path().join("next")).expect("a link");
    fs::rename(dir.path().join("next"), &link).expect("a link");
    watched.hint.give();
    until(&mut watched.sets, "two").await;
}

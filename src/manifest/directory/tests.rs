use std::fs;
use std::os::unix::fs::symlink;

use super::*;

mod emptied;
mod others;
mod trust;

fn host(name: &str, endpoint: &str) -> String {
    format!(
        "apiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {{name: {name}}}\nspec: {{endpoint: {endpoint}}}\n"
    )
}

const GOOD: &str = "tcp://h:1";

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn load(&self) -> Directories {
        Directories::new(vec![self.0.path().to_owned()])
    }

    /// Problems without the directory's own path.
    fn problems(&self, set: &LoadedSet) -> Vec<String> {
        let own = format!("{}/", self.0.path().display());
        set.problems.iter().map(|problem| problem.to_string().replace(&own, "")).collect()
    }
}

fn names(set: &LoadedSet) -> Vec<String> {
    set.objects
        .iter()
        .map(|loaded| {
            format!("{}{}", loaded.object.metadata.name, if loaded.held.is_some() { "?" } else { "" })
        })
        .collect()
}

#[test]
fn files_are_read_in_the_order_of_their_paths_and_others_are_skipped() {
    let dir = Dir::new();
    dir.put("b.yml", &host("b", GOOD));
    dir.put("a/z.YAML", &host("a", GOOD));
    dir.put(
        "c.json",
        r#"{"apiVersion":"portreeve/v1","kind":"DockerHost","metadata":{"name":"c"},"spec":{}}"#,
    );
    for skipped in [".hidden.yaml", "..data/x.yaml", ".git/x.yaml", "notes.txt", "b.yml~", "yaml"] {
        dir.put(skipped, &host("never", GOOD));
    }
    let set = dir.load().load();
    assert_eq!((names(&set), dir.problems(&set)), (vec!["a".into(), "b".into(), "c".into()], vec![]));
}

#[test]
fn a_bad_file_keeps_what_it_said_last_and_a_deleted_one_does_not() {
    let dir = Dir::new();
    dir.put("a.yaml", &format!("{}---\n{}", host("a1", GOOD), host("a2", GOOD)));
    dir.put("b.yaml", &host("b", GOOD));
    let mut directories = dir.load();
    assert_eq!(names(&directories.load()), ["a1", "a2", "b"]);

    dir.put("a.yaml", &format!("{}---\n{}", host("a3", GOOD), host("a4", "nonsense")));
    let set = directories.load();
    assert_eq!(names(&set), ["a1?", "a2?", "b"]);
    assert_eq!(
        dir.problems(&set),
        ["a.yaml:9:18: spec.endpoint: must be unix:///path, tcp://host:port or ssh://user@host"]
    );

    dir.put("a.yaml", &host("a3", GOOD));
    assert_eq!(names(&directories.load()), ["a3", "b"]);
    fs::remove_file(dir.path("b.yaml")).expect("a file");
    assert_eq!(names(&directories.load()), ["a3"]);
    // A file that was never good has nothing to keep.
    dir.put("c.yaml", &format!("{}---\nnonsense\n", host("c", GOOD)));
    assert_eq!(names(&directories.load()), ["a3"]);
}

#[test]
fn a_directory_that_is_gone_or_unreadable_takes_nothing_out_of_force() {
    let dir = Dir::new();
    dir.put("sub/a.yaml", &host("a", GOOD));
    let root = dir.path("sub");
    let mut directories = Directories::new(vec![root.clone()]);
    assert_eq!(names(&directories.load()), ["a"]);
    fs::rename(&root, dir.path("away")).expect("a directory");
    let set = directories.load();
    assert_eq!(names(&set), ["a?"]);
    let expected = "sub: there is no such file or directory; its last valid version stays in force";
    assert_eq!(dir.problems(&set), [expected]);
    // Where nothing was declared before, nothing stays in force.
    let set = Directories::new(vec![root.clone()]).load();
    assert_eq!(dir.problems(&set), ["sub: there is no such file or directory"]);
}

#[test]
fn an_object_declared_twice_is_an_error_that_names_both_files() {
    let dir = Dir::new();
    dir.put("a.yaml", &host("x", GOOD));
    dir.put("b.yaml", &format!("{}---\n{}", host("y", GOOD), host("x", "tcp://other:1")));
    let mut directories = dir.load();
    let set = directories.load();
    assert_eq!(names(&set), ["x", "y"]);
    let [problem] = &dir.problems(&set)[..] else { panic!("{:?}", set.problems) };
    assert!(problem.starts_with("b.yaml:8:18: DockerHost/x is already declared in "), "{problem}");
    assert!(problem.ends_with("a.yaml, which stays in force"), "{problem}");
    // Within one file it makes the file bad.
    dir.put("b.yaml", &format!("{}---\n{}", host("z", GOOD), host("z", GOOD)));
    let set = directories.load();
    assert_eq!(names(&set), ["x", "y?"]);
    assert!(
        dir.problems(&set).contains(&"b.yaml:8:18: DockerHost/z is already declared in line 3".to_owned())
    );
}

#[test]
fn nothing_in_a_directory_can_make_reading_it_hang() {
    let dir = Dir::new();
    dir.put("a.yaml", &host("a", GOOD));
    symlink(dir.0.path(), dir.path("loop")).expect("a link");
    symlink("nowhere", dir.path("dangling.yaml")).expect("a link");
    let made = std::process::Command::new("mkfifo").arg(dir.path("pipe.yaml")).status();
    let piped = made.is_ok_and(|status| status.success());
    let set = dir.load().load();
    assert_eq!(names(&set), ["a"]);
    let problems = dir.problems(&set);
    assert!(
        problems.iter().any(|problem| problem.starts_with("dangling.yaml: cannot be read")),
        "{problems:?}"
    );
    assert!(
        !piped || problems.contains(&"pipe.yaml: cannot be read: is not a regular file".to_owned()),
        "{problems:?}"
    );
}

#[test]
fn an_unchanged_directory_yields_the_very_same_set_and_overlapping_roots_are_read_once() {
    let dir = Dir::new();
    dir.put("sub/a.yaml", &host("a", GOOD));
    let mut directories =
        Directories::new(vec![dir.0.path().to_owned(), dir.path("sub"), dir.path("sub/a.yaml")]);
    let set = directories.load();
    assert_eq!((names(&set), dir.problems(&set)), (vec!["a".to_owned()], vec![]));
    assert!(Arc::ptr_eq(&set, &directories.load()));
}

#[test]
fn what_was_last_good_survives_a_restart() {
    let (dir, state) = (Dir::new(), Dir::new());
    let kept = || state.path("last-good");
    dir.put("a.yaml", &host("a", GOOD));
    dir.put("b.yaml", &host("b", GOOD));
    dir.put("c.yaml", &host("c", GOOD));
    assert_eq!(names(&dir.load().keeping(kept()).load()), ["a", "b", "c"]);

    dir.put("a.yaml", "nonsense");
    fs::remove_file(dir.path("b.yaml")).expect("a file");
    assert_eq!(names(&dir.load().keeping(kept()).load()), ["a?", "c"]);
    assert_eq!(fs::read_dir(kept()).expect("a directory").count(), 2);
    fs::write(kept().join("x.json"), "{").expect("a file");
    assert_eq!(names(&dir.load().keeping(kept()).load()), ["a?", "c"]);
    fs::remove_dir_all(dir.0.path()).expect("a directory");
    assert_eq!(names(&dir.load().keeping(kept()).load()), ["a?", "c?"]);
}

/// The state of the first directory, its times left out.
fn state(directories: &Directories) -> (Option<String>, usize) {
    let [state, ..] = &directories.states()[..] else { panic!("no state") };
    (state.revision.as_ref().map(|revision| revision.commit.clone()), state.objects)
}

#[test]
fn a_directory_tells_its_commit_its_objects_and_when_they_were_applied() {
    let dir = Dir::new();
    let commit = "1".repeat(40);
    dir.put(".git/HEAD", "ref: refs/heads/main\n");
    dir.put(".git/refs/heads/main", &commit);
    dir.put("a/a.yaml", &format!("{}---\n{}", host("a1", GOOD), host("a2", GOOD)));
    dir.put("b/b.yaml", &format!("{}---\n{}", host("b", GOOD), host("a1", GOOD)));
    let mut directories = Directories::new(vec![dir.path("a"), dir.path("b"), dir.0.path().to_owned()]);
    directories.load();
    let counts: Vec<usize> = directories.states().iter().map(|state| state.objects).collect();
    // What is declared twice counts once, and what lies in two directories for the first.
    assert_eq!((state(&directories), counts), ((Some(commit), 2), vec![2, 1, 0]));
    let applied = |directories: &Directories| directories.states()[0].applied;
    let first = applied(&directories);
    directories.load();
    assert_eq!(applied(&directories), first);
    dir.put("a/a.yaml", "nonsense");
    directories.load();
    assert_eq!(state(&directories).1, 2, "what was good last is in force");
    assert!(applied(&directories) > first);
    let second = applied(&directories);
    dir.put(".git/HEAD", &"2".repeat(40));
    directories.load();
    assert_eq!(state(&directories).0, Some("2".repeat(40)));
    assert!(applied(&directories) > second);
}

#[test]
fn a_directory_further_down_that_cannot_be_looked_into_takes_nothing_out_of_force() {
    let dir = Dir::new();
    dir.put("away/a.yaml", &host("a", GOOD));
    fs::create_dir(dir.path("conf")).expect("a directory");
    symlink(dir.path("away"), dir.path("conf/sub")).expect("a link");
    let mut directories = Directories::new(vec![dir.path("conf")]);
    assert_eq!(names(&directories.load()), ["a"]);
    // Whoever is root may read everything; a link that leads nowhere, or to itself, nobody can.
    fs::rename(dir.path("away"), dir.path("elsewhere")).expect("a directory");
    let set = directories.load();
    assert_eq!(names(&set), ["a?"]);
    assert_eq!(
        dir.problems(&set),
        ["conf/sub: there is no such file or directory; its last valid version stays in force"]
    );
    fs::remove_file(dir.path("conf/sub")).expect("a link");
    symlink("sub", dir.path("conf/sub")).expect("a link");
    let set = directories.load();
    assert_eq!(names(&set), ["a?"]);
    assert!(dir.problems(&set)[0].starts_with("conf/sub: cannot be read: "), "{:?}", set.problems);
    // A link that nothing was ever read through is nobody's concern, and one that is gone has been deleted.
    fs::rename(dir.path("conf/sub"), dir.path("conf/notes")).expect("a link");
    dir.put("conf/.portreeveignore", "");
    let set = directories.load();
    assert_eq!((names(&set), dir.problems(&set)), (vec![], vec![]));
}

#[test]
fn a_volume_or_a_link_that_is_swapped_while_it_is_read_is_read_from_one_version() {
    let dir = Dir::new();
    for version in ["one", "two"] {
        for file in 0..20 {
            dir.put(
                &format!("conf/..{version}/{file:02}.yaml"),
                &host(&format!("{version}-{file:02}"), GOOD),
            );
            dir.put(
                &format!("linked/{version}/{file:02}.yaml"),
                &host(&format!("{version}-l{file:02}"), GOOD),
            );
        }
    }
    symlink("..one", dir.path("conf/..data")).expect("a link");
    symlink("one", dir.path("linked/now")).expect("a link");
    for file in 0..20 {
        let name = format!("{file:02}.yaml");
        symlink(format!("..data/{name}"), dir.path("conf").join(&name)).expect("a link");
    }
    let swap = |link: &str, to: &str| {
        let next = dir.path("next");
        symlink(to, &next).expect("a link");
        fs::rename(&next, dir.path(link)).expect("a link");
    };
    let (mut conf, mut linked) =
        (Directories::new(vec![dir.path("conf")]), Directories::new(vec![dir.path("linked/now")]));
    let mut torn = Vec::new();
    for turn in 0..100 {
        let version = ["two", "one"][turn % 2];
        // Both are swapped once while they are read, each time a little later.
        let sets = std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..turn * 40 {
                    std::hint::spin_loop();
                }
                swap("conf/..data", &format!("..{version}"));
                swap("linked/now", version);
            });
            [conf.load(), linked.load()]
        });
        for set in sets {
            let names = names(&set);
            let version = |name: &String| name.split('-').next().map(str::to_owned);
            if names.len() != 20 || names.iter().any(|name| version(name) != version(&names[0])) {
                torn.push(names);
            }
        }
    }
    assert_eq!(torn, Vec::<Vec<String>>::new());
}

fn git(directory: &Path, args: &[&str]) {
    let mut command = std::process::Command::new("git");
    command
        .current_dir(directory)
        .args(["-c", "user.name=ada", "-c", "user.email=ada@example.org"])
        .args(args);
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_commit_is_told_of_files_that_are_in_it_and_whether_they_were_changed_since() {
    for version in ["2", "4"] {
        for format in ["sha1", "sha256"] {
            let dir = Dir::new();
            let top = dir.0.path();
            git(top, &["init", "--quiet", "--object-format", format]);
            dir.put("a/a.yaml", &host("a", GOOD));
            dir.put("a/b.yaml", &host("b", GOOD));
            git(top, &["add", "."]);
            git(top, &["update-index", "--index-version", version]);
            git(top, &["commit", "--quiet", "--message", "a"]);
            dir.put("untracked/x.yaml", &host("x", GOOD));
            let mut directories =
                Directories::new(vec![dir.path("a"), dir.path("untracked"), top.to_owned()]);
            let mut changed = || -> Vec<Option<bool>> {
                directories.load();
                let states = directories.states();
                states.iter().map(|state| state.revision.as_ref().map(|revision| revision.changed)).collect()
            };
            assert_eq!(changed(), [Some(false), None, Some(true)], "{version} {format}");
            dir.put("a/b.yaml", &host("c", GOOD));
            assert_eq!(changed()[0], Some(true), "{version} {format}");
            git(top, &["checkout", "--quiet", "."]);
            assert_eq!(changed()[0], Some(false), "{version} {format}");
        }
    }
}

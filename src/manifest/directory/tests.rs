use std::fs;
use std::os::unix::fs::symlink;

use super::*;

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
        .map(|loaded| format!("{}{}", loaded.object.metadata.name, if loaded.held { "?" } else { "" }))
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
    let expected = "sub: there is no such file or directory; what it declared before stays in force";
    assert_eq!(dir.problems(&set), [expected]);
    // An empty directory is another thing: there every file has been deleted.
    fs::create_dir(&root).expect("a directory");
    let set = directories.load();
    assert_eq!((names(&set), dir.problems(&set)), (vec![], vec![]));
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
    assert!(problem.starts_with("b.yaml:8:18: DockerHost/x is declared in "), "{problem}");
    assert!(problem.ends_with("a.yaml already, which stays in force"), "{problem}");
    // Within one file it makes the file bad.
    dir.put("b.yaml", &format!("{}---\n{}", host("z", GOOD), host("z", GOOD)));
    let set = directories.load();
    assert_eq!(names(&set), ["x", "y?"]);
    assert!(
        dir.problems(&set).contains(&"b.yaml:8:18: DockerHost/z is declared in line 3 already".to_owned())
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
    // Copies of another configuration are none of this one's.
    let away = Directories::new(vec![dir.path("elsewhere")]).keeping(kept()).load();
    assert_eq!(names(&away), Vec::<String>::new());
    fs::write(kept().join("x.json"), "{").expect("a file");
    assert_eq!(names(&dir.load().keeping(kept()).load()), ["a?", "c"]);
    fs::remove_dir_all(dir.0.path()).expect("a directory");
    assert_eq!(names(&dir.load().keeping(kept()).load()), ["a?", "c?"]);
}

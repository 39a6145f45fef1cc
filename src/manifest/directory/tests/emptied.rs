//! Directories that declared something and declare nothing any more.

use super::*;

const SAYS: &str = "to delete them start with --allow-empty, or put a file .portreeveignore there";

fn says(directory: &str, objects: &str) -> String {
    format!("{directory}: declares nothing any more; still in force: {objects}; {SAYS}")
}

#[test]
fn a_directory_that_lost_all_of_its_files_takes_nothing_out_of_force_until_that_is_confirmed() {
    let (dir, state) = (Dir::new(), Dir::new());
    dir.put("conf/a.yaml", &format!("{}---\n{}", host("a1", GOOD), host("a2", GOOD)));
    dir.put("conf/b.yaml", &host("b", GOOD));
    let new = |allow| {
        Directories::new(vec![dir.path("conf")]).allowing_empty(allow).keeping(state.path("last-good"))
    };
    let mut directories = new(false);
    assert_eq!(names(&directories.load()), ["a1", "a2", "b"]);
    fs::remove_file(dir.path("conf/b.yaml")).expect("a file");
    assert_eq!(names(&directories.load()), ["a1", "a2"], "others are there");
    // A mount that is missing: the directory is there, and empty. So it is at the next start.
    fs::rename(dir.path("conf"), dir.path("away")).expect("a directory");
    fs::create_dir(dir.path("conf")).expect("a directory");
    for mut directories in [directories, new(false)] {
        for _ in 0..2 {
            let set = directories.load();
            assert_eq!(
                (names(&set), dir.problems(&set)),
                (vec!["a1?".into(), "a2?".into()], vec![says("conf", "2 objects")])
            );
            assert_eq!(set.problems[0].weight, crate::manifest::Weight::Warning);
            assert!(set.objects.iter().all(|loaded| loaded.held == Some(Held::Unconfirmed)));
            let [state] = &directories.states()[..] else { panic!("one directory") };
            assert_eq!((state.objects, state.unconfirmed), (2, 2));
        }
    }
    // It is back, with a change.
    let mut directories = new(false);
    dir.put("conf/a.yaml", &host("a1", GOOD));
    assert_eq!(names(&directories.load()), ["a1"]);
    fs::remove_file(dir.path("conf/a.yaml")).expect("a file");
    assert_eq!(names(&directories.load()), ["a1?"]);
    dir.put("conf/.portreeveignore", "");
    let set = directories.load();
    assert_eq!((names(&set), dir.problems(&set)), (vec![], vec![]));
    assert_eq!(fs::read_dir(state.path("last-good")).expect("a directory").count(), 0, "for good");

    fs::remove_file(dir.path("conf/.portreeveignore")).expect("a file");
    dir.put("conf/a.yaml", &host("a1", GOOD));
    assert_eq!(names(&new(false).load()), ["a1"]);
    fs::remove_file(dir.path("conf/a.yaml")).expect("a file");
    let set = new(true).load();
    assert_eq!((names(&set), dir.problems(&set)), (vec![], vec![]));
}

#[test]
fn a_directory_whose_documents_are_all_of_other_tools_now_takes_nothing_out_of_force() {
    let dir = Dir::new();
    dir.put("a.yaml", &host("a", GOOD));
    dir.put("sub/b.yaml", &host("b", GOOD));
    let mut directories = dir.load();
    assert_eq!(names(&directories.load()), ["a", "b"]);
    for text in ["services: {web: {image: nginx}}\n", "# nothing\n", ""] {
        dir.put("a.yaml", text);
        dir.put("sub/b.yaml", text);
        let set = directories.load();
        assert_eq!(names(&set), ["a?", "b?"], "{text}");
        assert!(set.problems[0].message.starts_with("declares nothing any more; still in force: 2 objects"));
    }
    dir.put("sub/b.yaml", &host("c", GOOD));
    assert_eq!(names(&directories.load()), ["c"], "it declares something: what is gone is gone");
}

#[test]
fn a_directory_further_down_is_looked_at_by_itself() {
    let dir = Dir::new();
    dir.put("a.yaml", &host("a", GOOD));
    dir.put("mount/b.yaml", &host("b", GOOD));
    dir.put("mount/deep/c.yaml", &host("c", GOOD));
    let mut directories = dir.load();
    assert_eq!(names(&directories.load()), ["a", "b", "c"]);
    fs::remove_dir_all(dir.path("mount/deep")).expect("a directory");
    assert_eq!(names(&directories.load()), ["a", "b"], "a directory that is removed was removed by somebody");
    fs::remove_file(dir.path("mount/b.yaml")).expect("a file");
    let set = directories.load();
    assert_eq!(
        (names(&set), dir.problems(&set)),
        (vec!["a".into(), "b?".into()], vec![says("mount", "1 object")])
    );
    // Declared elsewhere, it is not waited for.
    dir.put("b.yaml", &host("b", "tcp://elsewhere:1"));
    let set = directories.load();
    assert_eq!((names(&set), dir.problems(&set)), (vec!["a".into(), "b".into()], vec![]));
    fs::remove_file(dir.path("b.yaml")).expect("a file");
    assert_eq!(names(&directories.load()), ["a"], "it went over");
}

#[test]
fn a_file_that_is_named_itself_and_says_nothing_any_more_takes_nothing_out_of_force() {
    let dir = Dir::new();
    dir.put("a.yaml", &host("a", GOOD));
    let mut directories = Directories::new(vec![dir.path("a.yaml")]);
    assert_eq!(names(&directories.load()), ["a"]);
    dir.put("a.yaml", "");
    let set = directories.load();
    assert_eq!(names(&set), ["a?"]);
    assert!(
        dir.problems(&set)[0].ends_with("still in force: 1 object; to delete them start with --allow-empty"),
        "{:?}",
        set.problems
    );
}

#[test]
fn a_path_that_is_gone_from_a_repository_stays_in_force_until_that_is_confirmed() {
    let dir = Dir::new();
    dir.put("git/current/deploy/a.yaml", &host("a", GOOD));
    let new = |allow| {
        Directories::new(vec![dir.path("git/current/deploy")])
            .guarded(SecretPolicy::default(), Some(dir.path("git")))
            .allowing_empty(allow)
            .keeping(dir.path("last-good"))
    };
    assert_eq!(names(&new(false).load()), ["a"]);
    fs::remove_dir_all(dir.path("git/current/deploy")).expect("a directory");
    let set = new(false).load();
    assert_eq!(names(&set), ["a?"]);
    assert!(
        dir.problems(&set)[0].ends_with("stays in force until that is confirmed: start with --allow-empty")
    );
    fs::rename(dir.path("git/current"), dir.path("git/away")).expect("a directory");
    assert_eq!(names(&new(true).load()), ["a?"], "nothing was pulled");
    fs::rename(dir.path("git/away"), dir.path("git/current")).expect("a directory");
    let set = new(true).load();
    assert_eq!((names(&set), dir.problems(&set)), (vec![], vec![]));
}

#[test]
fn what_a_start_does_not_name_stays_in_force_until_that_is_confirmed_or_it_is_declared_elsewhere() {
    let (dir, state) = (Dir::new(), Dir::new());
    dir.put("old/a.yaml", &host("a", GOOD));
    dir.put("old/b.yaml", &host("b", GOOD));
    let start = |roots: &[&str], allow| {
        let roots = roots.iter().map(|root| dir.path(root)).collect();
        Directories::new(roots).allowing_empty(allow).keeping(state.path("last-good"))
    };
    assert_eq!(names(&start(&["old"], false).load()), ["a", "b"]);
    // No directory at all, once and once more.
    for _ in 0..2 {
        let mut directories = start(&[], false);
        for _ in 0..2 {
            let set = directories.load();
            assert_eq!(names(&set), ["a?", "b?"]);
            let [problem] = &dir.problems(&set)[..] else { panic!("{:?}", set.problems) };
            let says = "old: was given to an earlier start (--config-dir, --git-url) and not to this one; still in force: \
                        2 objects; give it again";
            assert!(problem.starts_with(says), "{problem}");
            assert_eq!(set.problems[0].weight, crate::manifest::Weight::Warning);
        }
    }
    assert_eq!(names(&start(&["old"], false).load()), ["a", "b"], "it was a slip");
    // Moved: what is declared elsewhere is held no more, nor does it come back.
    dir.put("new/a.yaml", &host("a", GOOD));
    assert_eq!(names(&start(&["new"], false).load()), ["a", "b?"]);
    fs::remove_file(dir.path("new/a.yaml")).expect("a file");
    dir.put("new/c.yaml", &host("c", GOOD));
    assert_eq!(names(&start(&["new"], false).load()), ["c", "b?"]);
    // Confirmed, for good.
    assert_eq!(names(&start(&["new"], true).load()), ["c"]);
    assert_eq!(names(&start(&["new"], false).load()), ["c"]);
}

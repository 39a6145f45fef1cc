//! What files may name, by who can have written them.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A BillingService whose secret is where `place` says.
fn billing(place: &str) -> String {
    format!(
        "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: b}}\nspec:\n  url: http://b\n  auth:\n    \
         bearer: {{{place}}}\n"
    )
}

fn open_to_all(path: &Path, open: bool) {
    let mode = if open { 0o777 } else { 0o755 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

impl Dir {
    fn guarded(&self, strangers: Option<PathBuf>) -> Directories {
        self.load().guarded(SecretPolicy::new(vec!["/run/secrets".into()]), strangers)
    }
}

#[test]
fn what_others_may_write_names_only_what_was_put_aside_for_it() {
    let dir = Dir::new();
    let own = dir.0.path().to_owned();
    let mut directories = dir.guarded(None);
    for (place, fine) in [
        ("env: PORTREEVE_SECRET_B", true),
        ("file: /run/secrets/b", true),
        ("env: HOME", false),
        ("file: /etc/shadow", false),
        ("file: /run/secrets/../shadow", false),
    ] {
        dir.put("b.yaml", &billing(place));
        open_to_all(&own, false);
        let set = directories.load();
        assert_eq!((names(&set), dir.problems(&set)), (vec!["b".into()], vec![]), "{place}");
        assert_eq!(set.objects[0].object.trust, Trust::Trusted);
        // The same content: what has changed is who can write it.
        open_to_all(&own, true);
        let set = directories.load();
        let problems = dir.problems(&set);
        assert_eq!(problems.is_empty(), fine, "{place}: {problems:?}");
        // What was in force before stays, as after any other fault.
        assert_eq!(names(&set), [if fine { "b" } else { "b?" }], "{place}");
        for problem in &problems {
            assert!(problem.starts_with("b.yaml:7:"), "{problem}");
            assert!(
                problem.contains("spec.auth.bearer.") && problem.contains("can be written by everybody"),
                "{problem}"
            );
        }
    }
}

#[test]
fn what_others_wrote_is_never_in_force_with_a_secret_it_may_not_name() {
    let dir = Dir::new();
    dir.put("b.yaml", &billing("env: HOME"));
    open_to_all(dir.0.path(), true);
    let set = dir.guarded(None).load();
    assert_eq!((names(&set), dir.problems(&set).len()), (Vec::<String>::new(), 1));
    // A repository is others', whoever owns its files here.
    open_to_all(dir.0.path(), false);
    assert_eq!(names(&dir.guarded(None).load()), ["b"]);
    let set = dir.guarded(Some(dir.0.path().to_owned())).load();
    assert_eq!(names(&set), Vec::<String>::new());
    assert!(dir.problems(&set)[0].contains("others write to the repository"), "{:?}", set.problems);
}

#[test]
fn another_directory_of_the_repository_and_a_link_into_it_are_others_too() {
    let (git, state) = (Dir::new(), Dir::new());
    git.put("common/b.yaml", &billing("env: HOME"));
    std::os::unix::fs::symlink(git.path("common"), state.path("linked")).expect("a link");
    std::os::unix::fs::symlink(git.path("common/b.yaml"), state.path("b.yaml")).expect("a link");
    for root in [git.path("common"), state.path("linked"), state.path("b.yaml")] {
        let directories = |strangers| {
            Directories::new(vec![root.clone()])
                .guarded(SecretPolicy::new(vec!["/run/secrets".into()]), strangers)
        };
        assert_eq!(names(&directories(None).load()), ["b"], "{root:?}");
        let set = directories(Some(git.0.path().to_owned())).load();
        assert_eq!(names(&set), Vec::<String>::new(), "{root:?}");
    }
}

#[test]
fn a_copy_kept_for_the_next_start_is_trusted_as_its_file_was() {
    let (dir, state) = (Dir::new(), Dir::new());
    dir.put("b.yaml", &billing("env: HOME"));
    let start = || dir.guarded(None).keeping(state.path("manifests"));
    assert_eq!(names(&start().load()), ["b"]);
    dir.put("b.yaml", "no: good");
    let set = start().load();
    assert_eq!(names(&set), ["b?"]);
    assert_eq!(set.objects[0].object.trust, Trust::Trusted);
}

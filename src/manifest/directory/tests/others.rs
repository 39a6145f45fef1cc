//! Files that are other tools', and files that are to be passed over.

use super::*;

const COMPOSE: &str = "services: {web: {image: nginx}}\n";

#[test]
fn documents_of_other_tools_are_passed_over_and_counted_and_slips_in_ours_are_not() {
    let dir = Dir::new();
    dir.put("a.yaml", &host("a", GOOD));
    dir.put("compose.yaml", COMPOSE);
    dir.put("renovate.json", r#"{"extends": ["config:recommended"]}"#);
    dir.put("k8s/all.yaml", "apiVersion: v1\nkind: Service\n---\napiVersion: apps/v1\nkind: Deployment\n");
    dir.put("chart/templates/x.yaml", "{{- if .Values.on }}\nkind: Deployment\n{{- end }}\n");
    dir.put("huge.json", &format!("{{\"a\": \"{}\"}}", "x".repeat(2 << 20)));
    dir.put("brackets.json", &format!("{}{}", "[".repeat(3000), "]".repeat(3000)));
    let mut directories = dir.load();
    let set = directories.load();
    assert_eq!((names(&set), dir.problems(&set)), (vec!["a".to_owned()], vec![]));
    let own = format!("{}/", dir.0.path().display());
    let others: Vec<String> = set.others.iter().map(|file| file.replace(&own, "")).collect();
    let expected = [
        "brackets.json",
        "chart/templates/x.yaml",
        "compose.yaml",
        "huge.json",
        "k8s/all.yaml",
        "renovate.json",
    ];
    assert_eq!(others, expected);
    assert_eq!(directories.states()[0].others, 6);
    for (text, says) in [
        ("apiVersion: portreeve/v2\nkind: Probe\n", "apiVersion must be portreeve/v1"),
        (
            "apiVersion: portreeve/v1\nkind: MonitoredServise\n",
            "unknown kind `MonitoredServise`; did you mean",
        ),
        ("kind: Probe\nmetadata: {name: a}\nspec: {}\n", "the field `apiVersion` is missing"),
        ("apiversion: portreeve/v1\nkind: Probe\n", "unknown field `apiversion`; did you mean `apiVersion`?"),
        ("apiVersion: portreeve/v1\nkind: Probe\n  metadata: {}\n", "b.yaml:3"),
    ] {
        dir.put("b.yaml", text);
        let set = directories.load();
        assert!(
            dir.problems(&set).iter().any(|problem| problem.contains(says)),
            "{text}: {:?}",
            set.problems
        );
    }
    // Beside a document of ours another tool's is said, and one that nobody can read is ours.
    dir.put("b.yaml", &format!("{COMPOSE}---\n{}", host("b", GOOD)));
    let set = directories.load();
    assert_eq!((names(&set), dir.problems(&set)), (vec!["a".to_owned(), "b".to_owned()], vec![]));
    assert!(
        set.warnings[0].rendered.starts_with("warning: this is not a document of Portreeve's"),
        "{:?}",
        set.warnings
    );
    dir.put("b.yaml", &format!("x: [\n---\n{}", host("b", GOOD)));
    let set = directories.load();
    assert_eq!((names(&set), set.problems.len()), (vec!["a".to_owned(), "b?".to_owned()], 1));
    // What declared something is no other tool's for being broken.
    dir.put("a.yaml", "x: [\n");
    let set = directories.load();
    assert_eq!((names(&set), set.problems.len()), (vec!["a?".to_owned(), "b?".to_owned()], 2));
}

#[test]
fn a_file_that_is_named_itself_is_meant() {
    let dir = Dir::new();
    dir.put("compose.yaml", COMPOSE);
    let set = Directories::new(vec![dir.path("compose.yaml")]).load();
    let expected = "compose.yaml:1:1: this is not a document of Portreeve's: it has neither `apiVersion: portreeve/v1` nor one of \
                    its kinds";
    assert_eq!((dir.problems(&set), set.others.len()), (vec![expected.to_owned()], 0));
    dir.put(".portreeveignore", "*\n");
    assert_eq!(Directories::new(vec![dir.path("compose.yaml")]).load().problems.len(), 1);
}

#[test]
fn what_is_to_be_ignored_is_said_as_git_has_it() {
    let dir = Dir::new();
    for name in
        ["a.yaml", "b.yaml", "charts/c.yaml", "deep/charts/d.yaml", "deep/e.yaml", "deep/f.yaml", "g h.yaml"]
    {
        dir.put(name, &host(&name.replace(['/', '.', ' '], "-"), GOOD));
    }
    let mut directories = dir.load();
    assert_eq!(directories.load().objects.len(), 7);
    dir.put(".portreeveignore", "# charts everywhere\ncharts/\n/b.yaml\n*h.yaml\ne.yaml\n");
    dir.put("deep/.portreeveignore", "!e.yaml\n");
    let set = directories.load();
    assert_eq!(names(&set), ["a-yaml", "deep-e-yaml", "deep-f-yaml"]);
    assert_eq!(dir.problems(&set), Vec::<String>::new(), "what is ignored is confirmed");
    dir.put(".portreeveignore", "charts/\n[z-a]\n");
    let set = directories.load();
    assert!(
        dir.problems(&set)[0].starts_with(".portreeveignore: line 2 is not a pattern"),
        "{:?}",
        set.problems
    );
    assert_eq!(names(&set), ["a-yaml", "b-yaml", "deep-e-yaml", "deep-f-yaml", "g-h-yaml"]);
    // Nobody knows what it says: all stays as it is.
    fs::remove_file(dir.path(".portreeveignore")).expect("a file");
    fs::create_dir(dir.path(".portreeveignore")).expect("a directory");
    let set = directories.load();
    assert_eq!(set.objects.len(), 5);
    assert!(set.objects.iter().all(|loaded| loaded.held.is_some()), "{:?}", names(&set));
}

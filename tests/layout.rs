//! The laws of the layout (ARCHITECTURE): who may name whom, and where files are. Read from the source itself, so
//! that a violation is a failed test with file, line and law, not a matter of review.

use std::path::Path;
use std::process::Command;

mod circles;
mod items;
mod laws;
mod lex;
mod paths;
mod source;
mod words;

use source::File;

/// No file is longer than this, its tests not counted.
const LONGEST: usize = 400;
/// What may lie at the top of the repository, beside dotfiles.
const TOP_LEVEL: [&str; 12] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "manifests",
    "schemas",
    "examples",
    "tests",
    "benches",
    "Makefile",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with one line per violation.
fn assert_none(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn modules_name_only_what_the_laws_allow_them() {
    let files = source::read(root());
    assert!(files.len() > 100, "only {} files found below src", files.len());
    let mut violations: Vec<String> = files.iter().flat_map(laws::violations).collect();
    violations.extend(laws::scattered(&files));
    assert_none(violations);
}

#[test]
fn pure_modules_import_only_from_above_in_the_list_of_lib_rs() {
    assert_none(laws::upward(&source::read(root())));
}

#[test]
fn the_name_of_a_type_says_which_it_is() {
    assert_none(laws::ambiguous(&source::read(root()), laws::COMMON));
}

#[test]
fn no_files_need_each_other_in_a_circle() {
    assert_none(circles::violations(&source::read(root())));
}

#[test]
fn every_file_is_declared_by_the_module_above_it() {
    let files = source::read(root());
    let declared = |file: &&File| {
        let Some((parent, name)) = file.parent() else { return true };
        files.iter().any(|other| other.path == parent && other.declares.contains(&name))
    };
    let undeclared = files.iter().filter(|file| !declared(file));
    assert_none(
        undeclared
            .map(|file| {
                format!("{}:1: no `mod` declares this file, so nothing compiles or tests it", file.path)
            })
            .collect(),
    );
}

#[test]
fn no_file_is_a_mod_rs_and_none_is_too_long() {
    let mut violations = Vec::new();
    for file in source::read(root()) {
        if file.path.ends_with("/mod.rs") {
            violations.push(format!("{}:1: `foo.rs` + `foo/`, never mod.rs", file.path));
        }
        if file.lines > LONGEST {
            let lines = file.lines;
            violations.push(format!(
                "{}:{LONGEST}: {lines} lines without tests; split it where a decision ends",
                file.path
            ));
        }
    }
    assert_none(violations);
}

#[test]
fn the_top_level_holds_what_it_may_and_nothing_else() {
    let listed = Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).expect("paths are text");
    assert!(listed.lines().any(|path| path == "Cargo.toml"), "git lists no Cargo.toml: {listed}");
    let mut strangers: Vec<&str> = listed
        .lines()
        .filter_map(|path| path.split('/').next())
        .filter(|top| !top.starts_with('.') && !TOP_LEVEL.contains(top))
        .collect();
    strangers.dedup();
    assert_none(strangers.iter().map(|top| format!("{top}: the top level is fixed")).collect());
}

#[test]
fn what_users_read_speaks_of_things_not_of_persons() {
    let texts = words::read(root());
    assert!(texts.len() > 100, "only {} texts found", texts.len());
    assert_none(texts.iter().flat_map(|(name, text)| words::banned(name, text)).collect());
}

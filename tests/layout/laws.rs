//! The laws, as tables.

use std::collections::{BTreeMap, BTreeSet};

use super::source::File;

/// Modules that decide: no async, clock, I/O or logging, and nobody who has them.
const PURE: [&str; 9] = [
    "resource",
    "observed",
    "desired",
    "reconcile",
    "probe::threshold",
    "probe::place",
    "probe::reach",
    "probe::verdict",
    "outbox::retry",
];

/// What a pure module does not name.
const IMPURE: &[&str] = &[
    "tokio",
    "bollard",
    "reqwest",
    "sqlx",
    "axum",
    "notify",
    "tracing",
    "metrics",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::thread",
    "std::env",
    "crate::docker",
    "crate::execute",
    "crate::store",
    "crate::controller",
    "crate::api",
    "crate::cli",
    "crate::outbox",
    "crate::clock",
    "crate::metrics",
];

/// Crates that one module alone names, so that replacing one touches one place.
const OWNED: [(&str, &str); 3] = [("bollard", "docker"), ("serde_yaml", "manifest"), ("sqlx", "store")];

/// Crates that one file alone names, whichever it is.
const IN_ONE_FILE: [&str; 1] = ["backoff"];

/// Those who show; they read the store and the observed state and never touch an engine.
const FACES: [&str; 2] = ["api", "cli"];
const NOT_FOR_FACES: [&str; 3] = ["crate::docker", "crate::execute", "bollard"];

/// Whether `path` is `prefix` or below it.
fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What in `file` breaks a law, as `file:line: law`.
pub fn violations(file: &File) -> Vec<String> {
    let module = file.module.join("::");
    let within = |owners: &[&str]| owners.iter().any(|owner| below(&module, owner));
    let mut violations = BTreeSet::new();
    for (line, path) in &file.names {
        let path = path.join("::");
        let mut broken = |law: String| violations.insert((*line, format!("{}:{line}: {law}", file.path)));
        if within(&PURE)
            && let Some(impure) = IMPURE.iter().find(|impure| below(&path, impure))
            // `outbox::retry` is below `outbox`, and may name itself.
            && !below(&path, &format!("crate::{module}"))
        {
            broken(format!("{module} is pure and may not name {impure}"));
        }
        for (krate, owner) in OWNED {
            if below(&path, krate) && !within(&[owner]) {
                broken(format!("only {owner} may name {krate}"));
            }
        }
        if within(&FACES)
            && let Some(forbidden) = NOT_FOR_FACES.iter().find(|forbidden| below(&path, forbidden))
        {
            broken(format!("{module} is a face and may not name {forbidden}"));
        }
    }
    violations.into_iter().map(|(_, violation)| violation).collect()
}

/// What pure files import from modules that stand below their own in the list of `src/lib.rs`.
pub fn upward(files: &[File]) -> Vec<String> {
    let listed = files.iter().find(|file| file.path == "src/lib.rs").map(|file| file.declares.as_slice());
    let place = |module: &String| listed.unwrap_or_default().iter().position(|listed| listed == module);
    let mut violations = BTreeSet::new();
    for file in files {
        let module = file.module.join("::");
        let Some(own) = file.module.first().filter(|_| PURE.iter().any(|pure| below(&module, pure))) else {
            continue;
        };
        for (line, path) in &file.names {
            if let ["crate", ..] = path.iter().map(String::as_str).collect::<Vec<_>>()[..]
                && let Some(other) = path.get(1).filter(|other| place(other) > place(own))
            {
                violations.insert((
                    &file.path,
                    *line,
                    format!(
                        "{}:{line}: {own} stands above {other} in src/lib.rs and may not name it",
                        file.path
                    ),
                ));
            }
        }
    }
    violations.into_iter().map(|(.., violation)| violation).collect()
}

/// Types of one name in more files than this are told apart by nobody.
const MOST_OF_ONE_NAME: usize = 2;
/// Names of which there may be more, and why.
pub const COMMON: &[(&str, &str)] = &[];

/// Names of types that others than their own file see, and that too many files give to one.
pub fn ambiguous(files: &[File], common: &[(&str, &str)]) -> Vec<String> {
    let mut of_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in files {
        for item in file.defines.iter().filter(|item| item.is_type && item.is_public) {
            of_name.entry(&item.name).or_default().push(format!("{}:{}", file.path, item.line));
        }
    }
    let too_many = |name: &str, places: &[String]| {
        places.len() > MOST_OF_ONE_NAME && !common.iter().any(|(common, _)| *common == name)
    };
    let mut violations: Vec<String> = of_name
        .iter()
        .filter(|(name, places)| too_many(name, places))
        .map(|(name, places)| format!("{name} is the name of several types: {}", places.join(", ")))
        .collect();
    let idle = common
        .iter()
        .filter(|(common, _)| of_name.get(common).is_none_or(|places| places.len() <= MOST_OF_ONE_NAME));
    violations.extend(idle.map(|(name, _)| format!("{name} needs no exception any more; take it out")));
    violations
}

/// Crates of [`IN_ONE_FILE`] that several files name.
pub fn scattered(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for krate in IN_ONE_FILE {
        let naming =
            |file: &File| file.names.iter().find(|(_, path)| path[0] == krate).map(|(line, _)| *line);
        let users: Vec<_> = files.iter().filter_map(|file| Some((file, naming(file)?))).collect();
        if users.len() > 1 {
            violations.extend(
                users
                    .iter()
                    .map(|(file, line)| format!("{}:{line}: only one file may name {krate}", file.path)),
            );
        }
    }
    violations
}

#[test]
fn a_violation_is_found_however_it_is_written() {
    let found = |path: &str, text: &str| violations(&File::parse(path, text));
    for (path, text) in [
        ("src/resource/a.rs", "use tokio::time;"),
        ("src/resource/a.rs", "use std::{fmt, fs::{self, File}};"),
        ("src/resource/a.rs", "use std::time::{Duration, Instant};"),
        ("src/resource/a.rs", "use std::time;\nfn f() { time::Instant::now(); }"),
        ("src/observed.rs", "fn f() { tracing::info!(\"x\"); }"),
        ("src/reconcile/heal.rs", "use super::super::store::Store;"),
        ("src/reconcile.rs", "use crate::{docker as d, observed};"),
        ("src/outbox/retry.rs", "use super::DeliveryContext;"),
        ("src/controller.rs", "fn f(e: bollard::errors::Error) {}"),
        ("src/controller.rs", "use serde_yaml as y;"),
        ("src/api/health.rs", "use crate::docker::Client;"),
    ] {
        assert_eq!(found(path, text).len(), 1, "{path}: {text}");
    }
    assert_eq!(
        found("src/desired.rs", "\n\nuse sqlx::Row;"),
        [
            "src/desired.rs:3: desired is pure and may not name sqlx",
            "src/desired.rs:3: only store may name sqlx"
        ]
    );
}

#[test]
fn what_is_allowed_is_let_be() {
    let found = |path: &str, text: &str| violations(&File::parse(path, text));
    for (path, text) in [
        ("src/resource/a.rs", "//! tokio::spawn\nuse std::time::Duration;\nuse crate::observed::Nanos;"),
        ("src/reconcile/alert.rs", "mod notify;\nuse self::notify::say;\nfn f() { notify::go(); }"),
        ("src/resource/a.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() { {} }\n}\n"),
        ("src/outbox/retry.rs", "use crate::resource::billing_service::Retry;"),
        ("src/store/sqlite/read.rs", "use sqlx::Row;"),
        ("src/api.rs", "use crate::controller::View;"),
        ("src/execute.rs", "use crate::docker::Client;"),
    ] {
        assert_eq!(found(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn a_crate_for_one_file_is_found_in_two() {
    let file = |path: &str| File::parse(path, "use backoff::ExponentialBackoff;");
    assert_eq!(scattered(&[file("src/a.rs")]), Vec::<String>::new());
    assert_eq!(scattered(&[file("src/a.rs"), file("src/b.rs")]).len(), 2);
    let own = File::parse("src/reconcile/heal.rs", "mod backoff;\nuse self::backoff::wait;");
    assert_eq!(scattered(&[file("src/a.rs"), own]), Vec::<String>::new());
}

#[test]
fn a_pure_module_that_imports_from_below_is_found() {
    let listed = "pub mod resource;\npub mod manifest;\npub mod observed;\npub mod probe;\nmod clock;";
    let found =
        |path: &str, text: &str| upward(&[File::parse(path, text), File::parse("src/lib.rs", listed)]);
    assert_eq!(
        found("src/observed/health.rs", "\nuse crate::probe::threshold::Streak;"),
        ["src/observed/health.rs:2: observed stands above probe in src/lib.rs and may not name it"]
    );
    for (path, text) in [
        ("src/resource/a.rs", "use super::super::observed::Nanos;"),
        ("src/resource.rs", "fn f() -> crate::manifest::Problem { crate::manifest::none() }"),
        ("src/probe/place.rs", "use crate::{clock, observed::World};"),
    ] {
        assert_eq!(found(path, text).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        (
            "src/observed/health.rs",
            "use crate::resource::Object;\nuse super::Nanos;\nuse crate::manifest::Problem;",
        ),
        ("src/probe/exec.rs", "use crate::clock::now;"),
        ("src/probe/place.rs", "use super::steps::Steps;\nuse crate::observed::World;"),
    ] {
        assert_eq!(found(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn three_types_of_one_name_are_found() {
    let file = |path: &str, text: &str| File::parse(path, text);
    let two = [file("src/a.rs", "pub struct Seen;"), file("src/b.rs", "pub(crate) enum Seen {}")];
    assert_eq!(ambiguous(&two, &[]), Vec::<String>::new());
    let [a, b] = two;
    let three = [a, b, file("src/c.rs", "\npub(super) type Seen = u8;")];
    let line = "Seen is the name of several types: src/a.rs:1, src/b.rs:1, src/c.rs:2";
    assert_eq!(ambiguous(&three, &[]), [line]);
    assert_eq!(ambiguous(&three, &[("Seen", "…")]), Vec::<String>::new());
    assert_eq!(ambiguous(&[], &[("Seen", "…")]), ["Seen needs no exception any more; take it out"]);
    let [a, b, _] = three;
    let of_its_own =
        file("src/c.rs", "struct Seen;\nimpl T for X { type Seen = u8; }\nfn f() { pub struct Seen; }");
    assert_eq!(ambiguous(&[a, b, of_its_own], &[]), Vec::<String>::new());
}

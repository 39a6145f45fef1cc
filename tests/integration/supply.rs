//! What the program is built from: licences, banned crates and sources, held to `.deny.toml` without cargo-deny, which
//! `make check` runs where it is installed. What only cargo-deny sees: the texts of licence files, and, with its
//! database, advisories.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What of `.deny.toml` is held here; its other fields are cargo-deny's.
#[derive(Deserialize)]
struct Policy {
    advisories: Advisories,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Advisories {
    ignore: Vec<Ignored>,
}

#[derive(Deserialize)]
struct Ignored {
    id: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
    include_dev: bool,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    wildcards: String,
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    unknown_registry: String,
    unknown_git: String,
    #[serde(default)]
    allow_registry: Vec<String>,
    #[serde(default)]
    allow_git: Vec<String>,
}

/// What of `cargo metadata` is looked at.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn policy() -> Policy {
    let text = std::fs::read_to_string(root().join(".deny.toml")).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!(".deny.toml: {error}"))
}

/// Every crate of `Cargo.lock`, for whatever platform, ours included.
fn packages() -> Vec<Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let ask = |more: &[&str]| {
        let mut command = Command::new(&cargo);
        command.args(["metadata", "--format-version", "1", "--locked"]).args(more).current_dir(root());
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{cargo}: {error}"))
    };
    let mut output = ask(&["--offline"]);
    if !output.status.success() {
        // A build fetches what its own platform needs; the others' crates have to be read once, too.
        output = ask(&[]);
    }
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Metadata>(&output.stdout).unwrap().packages
}

/// Whether one of `allowed` permits what a crate's `license` says.
fn permits(allowed: &[String], license: &str) -> Result<bool, String> {
    // As crates.io does: `MIT/Apache-2.0` is the old way to write a choice.
    let expression =
        Expression::parse_mode(license, ParseMode::LAX).map_err(|error| error.reason.to_string())?;
    let allowed =
        allowed.iter().map(|name| Licensee::parse(name).map_err(|error| format!("{name}: {}", error.reason)));
    let allowed: Vec<Licensee> = allowed.collect::<Result<_, _>>()?;
    Ok(expression.evaluate(|needed| allowed.iter().any(|licensee| licensee.satisfies(needed))))
}

/// Crates whose licence nothing permits.
fn unlicensed(policy: &Licenses, packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for Package { name, version, license, .. } in packages {
        let mut allowed = policy.allow.clone();
        allowed.extend(
            policy.exceptions.iter().filter(|one| one.name == *name).flat_map(|one| one.allow.clone()),
        );
        match license.as_deref().map(|license| (license, permits(&allowed, license))) {
            None => found.push(format!("{name} {version} names no licence")),
            Some((license, Ok(false))) => found.push(format!("{name} {version}: {license}")),
            Some((license, Err(why))) => found.push(format!("{name} {version}: {license}: {why}")),
            Some((_, Ok(true))) => {}
        }
    }
    found
}

#[test]
fn every_crate_has_a_licence_that_the_policy_allows() {
    let (policy, packages) = (policy().licenses, packages());
    assert!(packages.len() > 300, "{}", packages.len());
    let found = unlicensed(&policy, &packages);
    assert!(
        found.is_empty(),
        "not allowed by .deny.toml; somebody has to read them first:\n{}",
        found.join("\n")
    );
    // cargo-deny leaves out what only tests are built from, unless it is told not to.
    assert!(policy.include_dev);
}

#[test]
fn nothing_is_allowed_that_no_crate_needs() {
    let (Licenses { allow, exceptions, .. }, packages) = (policy().licenses, packages());
    let expressions: Vec<(&str, &str)> =
        packages.iter().filter_map(|package| Some((&*package.name, package.license.as_deref()?))).collect();
    let asked = |name: &str, of: &dyn Fn(&str) -> bool| {
        let licensee = Licensee::parse(name).unwrap();
        expressions.iter().filter(|(package, _)| of(package)).any(|(_, license)| {
            let expression = Expression::parse_mode(license, ParseMode::LAX).unwrap();
            expression.requirements().any(|needed| licensee.satisfies(&needed.req))
        })
    };
    for name in &allow {
        assert!(
            asked(name, &|_| true),
            "no crate has the licence {name} any more: take it out of .deny.toml"
        );
    }
    for Exception { name, allow: more } in &exceptions {
        for license in more {
            assert!(!allow.contains(license), "{license} is allowed for all: {name} needs no exception");
            assert!(
                asked(license, &|package| package == name),
                "{name} needs no exception for {license} any more"
            );
        }
    }
}

#[test]
fn no_banned_crate_came_in() {
    let (policy, packages) = (policy().bans, packages());
    let names: BTreeSet<&str> = packages.iter().map(|package| &*package.name).collect();
    for wanted in ["rustls", "ring", "sqlx-sqlite", "bollard", "yaml_serde"] {
        assert!(
            names.contains(wanted),
            "{wanted} is not there: is this still how cargo tells of its packages?"
        );
    }
    // One TLS stack, and no second one by way of somebody's default features.
    for banned in
        ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "aws-lc-fips-sys", "serde_yaml"]
    {
        assert!(policy.deny.iter().any(|one| one.name == banned), ".deny.toml says nothing of {banned}");
    }
    for Banned { name, reason } in &policy.deny {
        assert!(!reason.is_empty(), "{name} is banned without a reason");
        assert!(!names.contains(&**name), "{name} came in ({reason}); `cargo tree -i {name}` says by whom");
    }
    assert_eq!(policy.wildcards, "deny");
    let own = packages.iter().find(|package| package.source.is_none()).expect("this package");
    for Dependency { name, req } in &own.dependencies {
        assert!(req != "*", "{name} may be of any version: say which in Cargo.toml");
    }
}

#[test]
fn every_crate_comes_from_crates_io() {
    let (policy, packages) = (policy().sources, packages());
    assert_eq!((&*policy.unknown_registry, &*policy.unknown_git), ("deny", "deny"));
    assert_eq!((policy.allow_registry.len(), policy.allow_git.len()), (0, 0), "hold them here, too");
    let elsewhere = packages.iter().filter(|package| package.source.as_deref() != Some(CRATES_IO));
    let names: Vec<&str> = elsewhere.map(|package| &*package.name).collect();
    assert_eq!(names, ["portreeve"]);
}

#[test]
fn an_advisory_is_ignored_for_a_reason_and_as_long_as_its_crate_is_there() {
    let (policy, packages) = (policy().advisories, packages());
    let crates = BTreeMap::from([("RUSTSEC-2025-0012", "backoff"), ("RUSTSEC-2024-0384", "instant")]);
    for Ignored { id, reason } in &policy.ignore {
        let name =
            crates.get(&**id).unwrap_or_else(|| panic!("{id} is about a crate that this test does not know"));
        assert!(reason.contains(name), "{id}: {reason}");
        assert!(
            packages.iter().any(|package| package.name == **name),
            "{name} is gone: remove {id} from .deny.toml"
        );
    }
}

#[test]
fn a_licence_is_permitted_by_what_it_asks_for() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
    for (license, permitted) in [
        ("MIT", true),
        ("MIT OR GPL-3.0-only", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only", false),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR GPL-3.0-only) AND Apache-2.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("GPL-2.0-only WITH Classpath-exception-2.0", false),
    ] {
        assert_eq!(permits(&allowed, license), Ok(permitted), "{license}");
    }
    assert!(permits(&allowed, "see LICENSE").is_err());
    let package = |name: &str, license: Option<&str>| Package {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        license: license.map(str::to_owned),
        source: None,
        dependencies: Vec::new(),
    };
    let exception = Exception { name: "roots".to_owned(), allow: vec!["CDLA-Permissive-2.0".to_owned()] };
    let policy = Licenses { allow: allowed.to_vec(), exceptions: vec![exception], include_dev: true };
    let packages = [
        package("fine", Some("MIT")),
        package("roots", Some("CDLA-Permissive-2.0")),
        package("other", Some("CDLA-Permissive-2.0")),
        package("silent", None),
    ];
    assert_eq!(
        unlicensed(&policy, &packages),
        ["other 1.0.0: CDLA-Permissive-2.0", "silent 1.0.0 names no licence"]
    );
}

/// `make` with `cargo-deny` as this script; none: without it.
fn make(script: Option<&str>) -> Option<(bool, String)> {
    let programs = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    if let Some(script) = script {
        let program = programs.path().join("cargo-deny");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    // Without the one that may be installed here.
    let rest = path.split(':').filter(|place| !Path::new(place).join("cargo-deny").exists());
    let path: Vec<&str> = programs.path().to_str().into_iter().chain(rest).collect();
    let mut command = Command::new("make");
    command.arg("supply").current_dir(root()).env("PATH", path.join(":")).stdin(Stdio::null());
    // Of the `make` that runs this test.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("MFLAGS");
    let Ok(output) = command.output() else {
        eprintln!("skipped: make is not installed");
        return None;
    };
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn make_check_runs_cargo_deny_where_it_is_installed_and_else_says_what_it_does_without() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let check = makefile.lines().find(|line| line.starts_with("check:")).unwrap();
    assert!(check.split_whitespace().any(|word| word == "supply"), "{check}");
    let Some((good, text)) = make(Some("#!/bin/sh\necho \"deny: $*\"\n")) else { return };
    assert!(good && text.contains("check licenses bans sources"), "{text}");
    let Some((good, text)) = make(Some("#!/bin/sh\nexit 3\n")) else { return };
    assert!(!good, "what cargo-deny finds fails the check: {text}");
    let Some((good, text)) = make(None) else { return };
    assert!(
        good && text.contains("cargo-deny is not installed") && text.contains("integration::supply"),
        "{text}"
    );
}

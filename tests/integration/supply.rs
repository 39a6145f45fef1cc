//! What the program is built from: one TLS stack, and no second one by way of somebody's default features.

use std::collections::BTreeSet;
use std::path::Path;

fn locked() -> BTreeSet<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let name = |line: &str| Some(line.strip_prefix("name = \"")?.strip_suffix('"')?.to_owned());
    text.lines().filter_map(name).collect()
}

#[test]
fn tls_is_rustls_with_ring_alone() {
    let locked = locked();
    for wanted in ["rustls", "ring", "sqlx-sqlite", "bollard"] {
        assert!(locked.contains(wanted), "{wanted} is not in Cargo.lock: is this still its format?");
    }
    for banned in ["openssl", "openssl-sys", "aws-lc-rs", "aws-lc-sys", "aws-lc-fips-sys", "native-tls"] {
        assert!(!locked.contains(banned), "{banned} came in; `cargo tree -i {banned}` says by whom");
    }
}

#[test]
fn every_ban_of_the_supply_policy_is_tested_here_too() {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join(".deny.toml");
    let policy = std::fs::read_to_string(policy).unwrap();
    for said in ["RUSTSEC-2025-0012", "RUSTSEC-2024-0384", "openssl", "aws-lc-rs", "native-tls"] {
        assert!(policy.contains(said), ".deny.toml says nothing of {said}");
    }
    let locked = locked();
    // An exception that is not needed any more must go.
    assert!(
        locked.contains("backoff") && locked.contains("instant"),
        "remove the advisories from .deny.toml"
    );
}

//! What decides is pure: `resource` and `desired` name nothing that reads a clock, waits, logs or touches the world.

use std::path::Path;

#[test]
fn what_is_declared_and_what_is_in_force_is_worked_out_without_the_world() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![root.join("src/resource.rs"), root.join("src/resource"), root.join("src/desired.rs")];
    open.push(root.join("src/desired"));
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a folder");
            open.extend(
                entries.map(|entry| entry.expect("an entry").path()).filter(|path| !path.ends_with("tests")),
            );
            continue;
        }
        if path.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in [
            "tokio",
            "bollard",
            "reqwest",
            "sqlx",
            "axum::",
            "std::fs",
            "std::env",
            "std::net::Tcp",
            "Timestamp::now",
            "SystemTime",
            "Instant",
            "tracing::",
            "println!",
            "crate::store",
            "crate::docker",
            "crate::api",
        ] {
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
    }
}

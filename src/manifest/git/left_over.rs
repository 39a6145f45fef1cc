//! What Git leaves behind when it is killed: locks, and parts of what it was about to store. Nobody else works in this
//! repository, so that all of it can go.

use std::fs;
use std::path::Path;

/// Removes it from a bare repository.
pub(super) fn remove(repository: &Path) {
    locks(repository);
    let objects = repository.join("objects");
    temporary(&objects);
    for entry in fs::read_dir(&objects).into_iter().flatten().flatten() {
        // `pack`, and a directory for each first byte of a name.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            temporary(&entry.path());
        }
    }
}

fn locks(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let objects = path.file_name().is_some_and(|name| name == "objects");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !objects => locks(&path),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|end| end == "lock") => {
                let _ = fs::remove_file(path);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// `tmp_pack_…` of a fetch, `tmp_obj_…` of a single object, `tmp_objdir-…` of what was not taken yet.
fn temporary(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("tmp_")) {
            let path = entry.path();
            // What cannot be removed now is tried again next time.
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_git_leaves_goes_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let put = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(&path, "x").expect("a file");
            path
        };
        let gone = [
            "index.lock",
            "refs/portreeve/fetched.lock",
            "objects/pack/tmp_pack_a",
            "objects/0f/tmp_obj_b",
            "objects/tmp_objdir-incoming-c/x",
        ]
        .map(put);
        let kept = [
            "HEAD",
            "refs/portreeve/fetched",
            "objects/pack/pack-1.pack",
            "objects/0f/ab",
            "objects/pack/a.lock",
        ]
        .map(put);
        remove(dir.path());
        assert!(gone.iter().all(|path| !path.exists()), "{gone:?}");
        assert!(kept.iter().all(|path| path.exists()), "{kept:?}");
    }
}

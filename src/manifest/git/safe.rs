//! Reading a repository of this machine that belongs to another user. Git refuses that ("dubious ownership") unless its own
//! configuration names the directory; for the one on our command line that is said in a file of ours.

use std::path::{Path, PathBuf};

/// A configuration of Git's that has it read the repository at `path`. Nothing if the path cannot be written into one.
pub(super) fn entries(path: &Path) -> Option<String> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in [path.to_owned(), real] {
        // Of a work tree what is looked at is the repository within.
        paths.extend([path.join(".git"), path]);
    }
    paths.sort();
    paths.dedup();
    let mut text = "[safe]\n".to_owned();
    for path in paths {
        let path = path.to_str().filter(|path| !path.contains(char::is_control))?;
        let path = path.trim_end_matches('/').replace('\\', "\\\\").replace('"', "\\\"");
        text.push_str(&format!("\tdirectory = \"{path}\"\n"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_and_the_repository_within_are_named_and_quoted() {
        let expected =
            "[safe]\n\tdirectory = \"/no where/a\\\"b\"\n\tdirectory = \"/no where/a\\\"b/.git\"\n";
        assert_eq!(entries(Path::new("/no where/a\"b")).as_deref(), Some(expected));
        assert_eq!(entries(Path::new("/a\n[core]")), None);
    }
}

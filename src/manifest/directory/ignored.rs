//! `.portreeveignore`: which files and directories are passed over, in the syntax of `.gitignore`.

use std::fs;
use std::io;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::super::{LARGEST_FILE, Problem};

/// The file's name.
pub(super) const NAME: &str = ".portreeveignore";

/// What one such file says of the directory that it lies in.
#[derive(Debug)]
pub(super) struct Rules(Gitignore);

/// The rules of `directory`, if it has any, and what is wrong with them.
///
/// # Errors
/// The file is there and cannot be read: nobody knows what is to be read then.
pub(super) fn rules(directory: &Path) -> io::Result<Option<(Rules, Vec<Problem>)>> {
    let path = directory.join(NAME);
    let content = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(entry) if !entry.is_file() => return Err(io::Error::other(format!("{NAME} is not a file"))),
        Ok(entry) if usize::try_from(entry.len()).is_ok_and(|length| length > LARGEST_FILE) => {
            return Err(io::Error::other(format!("{NAME} is larger than {LARGEST_FILE} bytes")));
        }
        Ok(_) => fs::read_to_string(&path)?,
    };
    let mut builder = GitignoreBuilder::new(directory);
    let mut problems = Vec::new();
    let bad = |line: usize, error: &ignore::Error| {
        let message = format!("line {line} is not a pattern and is ignored: {error}");
        Problem::whole(&path.display().to_string(), &message)
    };
    for (place, line) in content.lines().enumerate() {
        if let Err(error) = builder.add_line(None, line) {
            problems.push(bad(place + 1, &error));
        }
    }
    match builder.build() {
        Ok(rules) => Ok(Some((Rules(rules), problems))),
        Err(error) => Err(io::Error::other(format!("{NAME}: {error}"))),
    }
}

/// Whether `path` is passed over. The rules of the directories above it are in the order of depth; the deepest that says
/// anything of it decides.
pub(super) fn is_ignored(above: &[Rules], path: &Path, is_directory: bool) -> bool {
    let said = above.iter().rev().map(|one| one.0.matched(path, is_directory)).find(|said| !said.is_none());
    said.is_some_and(|said| said.is_ignore())
}

//! What is wrong with manifests, said before anything is sent.

use super::face::Face;
use crate::manifest::LoadedSet;

/// Shows every problem, and what is odd all the same; whether there is one that forbids going on.
pub(super) fn tell(set: &LoadedSet, face: &mut Face<'_>) -> std::io::Result<bool> {
    let warnings = set.objects.iter().flat_map(|loaded| &loaded.warnings);
    for problem in set.warnings.iter().chain(warnings).chain(&set.problems) {
        writeln!(face.err, "{}\n", problem.coloured())?;
    }
    Ok(!set.problems.is_empty())
}

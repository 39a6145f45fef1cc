//! Whether a directory lies on a network file system, where SQLite's locks cannot be trusted.

use std::path::{Path, PathBuf};

const NETWORK: [&str; 14] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "gpfs",
    "ocfs2",
    "fuse.sshfs",
    "fuse.glusterfs",
];

/// The network file system that `path` lies on, if it does. Unknown (no procfs): none.
pub(super) fn network_file_system(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let kind = file_system_of(&mounts, &path)?;
    NETWORK.contains(&kind.as_str()).then_some(kind)
}

/// The file system type of the last, deepest mount that holds `path` (proc(5), mountinfo).
fn file_system_of(mountinfo: &str, path: &Path) -> Option<String> {
    let mut best: Option<(usize, String)> = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (left.split(' ').nth(4), right.split(' ').next()) else { continue };
        let point = PathBuf::from(point.replace("\\040", " "));
        if path.starts_with(&point) {
            let depth = point.components().count();
            if best.as_ref().is_none_or(|(deepest, _)| depth >= *deepest) {
                best = Some((depth, kind.to_owned()));
            }
        }
    }
    best.map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_decides() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda rw\n\
                      30 22 0:40 / /var/lib rw shared:1 - nfs4 server:/x rw\n\
                      31 30 0:41 / /var/lib/local\\040disk rw - xfs /dev/sdb rw\n";
        let kind = |path: &str| file_system_of(mounts, Path::new(path));
        assert_eq!(kind("/home").as_deref(), Some("ext4"));
        assert_eq!(kind("/var/lib/portreeve").as_deref(), Some("nfs4"));
        assert_eq!(kind("/var/lib/local disk/portreeve").as_deref(), Some("xfs"));
        assert_eq!(kind("/var/library").as_deref(), Some("ext4"));
    }
}

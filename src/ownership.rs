//! Whether only root or Portreeve's own user can have written a file, or can put another in its place: whoever else can write
//! to it, or to a directory on the way, decides what it says.
//!
//! The way is walked as the system walks it, link by link. Everything on it must belong to root or to our own user, and
//! nobody else may write to it. In a directory with the sticky bit (`/tmp`) others may make entries of their own and cannot
//! touch ours. A group that is our user's alone (as its name says) is our user.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

/// How many links are followed, as by the system.
const MOST_LINKS: usize = 40;

/// What is known of directories, for as long as one reading of everything takes.
#[derive(Debug)]
pub struct Ownership {
    own: u32,
    /// Another user who counts as we do, but for what everybody may make: that is no sign of being meant.
    friend: Option<u32>,
    /// The groups whose only member is one of these users.
    private_groups: Vec<u32>,
    directories: HashMap<PathBuf, Option<String>>,
}

impl Default for Ownership {
    fn default() -> Self {
        Self::new()
    }
}

impl Ownership {
    /// Root and our own user are no strangers.
    pub fn new() -> Self {
        Self::with(rustix::process::geteuid().as_raw())
    }

    /// Nor is `friend`.
    pub fn with(friend: u32) -> Self {
        let own = rustix::process::geteuid().as_raw();
        let friend = Some(friend).filter(|friend| *friend != own && *friend != 0);
        let private_groups = friend.into_iter().chain([own]).filter_map(private_group).collect();
        Self { own, friend, private_groups, directories: HashMap::new() }
    }

    /// Who else could have written the file at `path`, for people; `None` if nobody could.
    pub fn stranger(&mut self, path: &Path) -> Option<String> {
        self.told(path, Self::walk)
    }

    /// Who else could put something of theirs at a name in `directory`, now or once what is there is gone.
    pub fn stranger_in(&mut self, directory: &Path) -> Option<String> {
        self.told(directory, |this, directory| match this.walk(directory)? {
            Some(why) => Ok(Some(why)),
            // The sticky bit keeps what is there, and leaves free names to everybody.
            None => Ok(this.entry(directory, &fs::metadata(directory)?, false)),
        })
    }

    fn told(
        &mut self,
        path: &Path,
        find: impl FnOnce(&mut Self, &Path) -> io::Result<Option<String>>,
    ) -> Option<String> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        find(self, &path)
            .unwrap_or_else(|error| Some(format!("{} cannot be looked at: {error}", path.display())))
    }

    fn walk(&mut self, path: &Path) -> io::Result<Option<String>> {
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        let mut rest: VecDeque<OsString> = parts(path).collect();
        if let Some(why) = self.directory(&at)? {
            return Ok(Some(why));
        }
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            let entry = fs::symlink_metadata(&next)?;
            if self.friend == Some(entry.uid()) && is_open(&at)? {
                return Ok(Some(format!("{} can be written by others", at.display())));
            }
            if entry.is_symlink() {
                links += 1;
                if links > MOST_LINKS {
                    return Err(io::Error::other("too many links"));
                }
                if let Some(why) = self.owner(&next, &entry) {
                    return Ok(Some(why));
                }
                let target = fs::read_link(&next)?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(part);
                }
                continue;
            }
            let found =
                if entry.is_dir() { self.directory(&next)? } else { self.entry(&next, &entry, false) };
            if found.is_some() {
                return Ok(found);
            }
            at = next;
        }
        Ok(None)
    }

    fn directory(&mut self, path: &Path) -> io::Result<Option<String>> {
        if let Some(known) = self.directories.get(path) {
            return Ok(known.clone());
        }
        let entry = fs::symlink_metadata(path)?;
        let sticky = entry.mode() & 0o1000 != 0;
        let found = self.entry(path, &entry, sticky);
        self.directories.insert(path.to_owned(), found.clone());
        Ok(found)
    }

    /// Who else may write to an entry; with `open` everybody may, within bounds.
    fn entry(&self, path: &Path, entry: &Metadata, open: bool) -> Option<String> {
        let other = |who: &str| format!("{} can be written by {who}", path.display());
        let private = self.private_groups.contains(&entry.gid()) && !has_list(path);
        match self.owner(path, entry) {
            Some(why) => Some(why),
            None if open => None,
            None if entry.mode() & 0o002 != 0 => Some(other("everybody")),
            None if entry.mode() & 0o020 != 0 && !private => {
                Some(other(&format!("the group {}", group(entry.gid()))))
            }
            None => None,
        }
    }

    fn owner(&self, path: &Path, entry: &Metadata) -> Option<String> {
        let fit = [Some(0), Some(self.own), self.friend].contains(&Some(entry.uid()));
        (!fit).then(|| format!("{} belongs to {}", path.display(), user(entry.uid())))
    }
}

/// The parts of a path below its root; `.` is none.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// Whether others may make entries of their own in a directory, as in `/tmp`.
fn is_open(directory: &Path) -> io::Result<bool> {
    let mode = fs::symlink_metadata(directory)?.mode();
    Ok(mode & 0o1000 != 0 && mode & 0o022 != 0)
}

/// The group of `user`, if it is that user's alone.
fn private_group(user: u32) -> Option<u32> {
    let user = User::from_uid(Uid::from_raw(user)).ok().flatten()?;
    let group = Group::from_gid(user.gid).ok().flatten()?;
    let alone = group.mem.iter().all(|member| *member == user.name);
    (group.name == user.name && alone).then(|| Gid::as_raw(group.gid))
}

/// Whether an access control list says more than the mode does.
fn has_list(path: &Path) -> bool {
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0; 0]).is_ok()
}

/// The name of a user, for people.
pub fn user(id: u32) -> String {
    let user = User::from_uid(Uid::from_raw(id)).ok().flatten();
    user.map_or_else(|| format!("uid {id}"), |user| user.name)
}

fn group(id: u32) -> String {
    let group = Group::from_gid(Gid::from_raw(id)).ok().flatten();
    group.map_or_else(|| format!("gid {id}"), |group| group.name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn stranger(path: &Path) -> Option<String> {
        Ownership::new().stranger(path)
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }

    #[test]
    fn what_nobody_else_may_write_is_ours_and_every_way_for_others_is_found() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("manifests");
        let file = directory.join("a.yaml");
        fs::create_dir(&directory).expect("a directory");
        fs::write(&file, "").expect("a file");
        mode(&file, 0o644);
        mode(&directory, 0o755);
        assert_eq!(stranger(&file), None);
        mode(&file, 0o666);
        assert!(stranger(&file).expect("everybody").ends_with("a.yaml can be written by everybody"));
        mode(&file, 0o644);
        mode(&directory, 0o777);
        assert!(stranger(&file).expect("everybody").ends_with("manifests can be written by everybody"));
        // Others may make files there, and cannot touch ours.
        mode(&directory, 0o1777);
        assert_eq!(stranger(&file), None);
        mode(&directory, 0o755);
        assert!(stranger(&home.path().join("none")).expect("not there").contains("cannot be looked at"));
    }

    #[test]
    fn every_link_on_the_way_counts() {
        let home = tempfile::tempdir().expect("a directory");
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("good")).expect("a directory");
        fs::create_dir(at("open")).expect("a directory");
        fs::write(at("good/a.yaml"), "").expect("a file");
        mode(&at("good/a.yaml"), 0o644);
        mode(&at("open"), 0o777);
        symlink("../good", at("open/way")).expect("a link");
        symlink("good", at("straight")).expect("a link");
        symlink("open/way", at("detour")).expect("a link");
        symlink("circle", at("circle")).expect("a link");
        assert_eq!(stranger(&at("straight/a.yaml")), None);
        assert_eq!(stranger(&at("straight/../good/./a.yaml")), None);
        assert!(
            stranger(&at("detour/a.yaml")).expect("a detour").contains("open can be written by everybody")
        );
        assert!(stranger(&at("circle")).expect("a circle").contains("too many links"));
    }

    #[test]
    fn in_a_directory_of_everybodys_a_name_that_is_free_is_anybodys() {
        let home = tempfile::tempdir().expect("a directory");
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("open/in")).expect("a directory");
        mode(&at("open/in"), 0o755);
        let stranger_in = |name: &str| Ownership::new().stranger_in(&at(name));
        assert_eq!(stranger_in("open/in"), None);
        mode(&at("open"), 0o1777);
        // What is there is ours, and stays.
        assert_eq!(stranger_in("open/in"), None);
        assert!(stranger_in("open").expect("everybody").ends_with("open can be written by everybody"));
        mode(&at("open"), 0o777);
        assert!(stranger_in("open/in").expect("everybody").ends_with("open can be written by everybody"));
        assert!(stranger_in("none").expect("not there").contains("cannot be looked at"));
    }

    #[test]
    fn a_friends_directory_is_the_friends_but_where_everybody_could_have_made_it() {
        // Only root can give files away.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let home = tempfile::tempdir().expect("a directory");
        let theirs = home.path().join("theirs");
        fs::create_dir(&theirs).expect("a directory");
        mode(&theirs, 0o755);
        chown(&theirs, Some(65_534), None).expect("an owner");
        assert!(Ownership::new().stranger_in(&theirs).expect("another's").contains("belongs to nobody"));
        assert_eq!(Ownership::with(65_534).stranger_in(&theirs), None);
        mode(home.path(), 0o1777);
        let why = Ownership::with(65_534).stranger_in(&theirs).expect("anybody could have made it");
        assert!(why.ends_with("can be written by others"), "{why}");
    }

    #[test]
    fn what_belongs_to_another_user_or_group_is_a_strangers() {
        // Only root can give files away.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("a.yaml");
        fs::write(&file, "").expect("a file");
        chown(&file, Some(65_534), None).expect("an owner");
        assert!(stranger(&file).expect("another's").ends_with("a.yaml belongs to nobody"));
        chown(&file, Some(0), Some(65_534)).expect("an owner");
        mode(&file, 0o664);
        assert!(stranger(&file).expect("a group").contains("can be written by the group nogroup"));
        chown(&file, Some(0), Some(0)).expect("an owner");
        assert_eq!(stranger(&file), None);
    }
}

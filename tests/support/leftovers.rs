//! Removing all that an engine of a test's own may have left: processes, mounts, cgroups, bridge, files.
//! Best effort without panics: it runs in drops, and the next sweep tries again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Removes the engine `id` whose everything is below `dir`; its own process must be gone or of no use any more.
pub fn remove(id: &str, dir: &Path) {
    let inside = format!("{}/", dir.display());
    // A killed engine leaves shims, and they their containers. Again until none is left: a process that is
    // just being started shows up late.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(5) {
        let found = processes(&inside);
        if found.is_empty() {
            break;
        }
        let children = children();
        for pid in found {
            kill_tree(pid, &children);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    unmount(&inside);
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        remove_cgroup(&hierarchy.path().join(id));
    }
    remove_cgroup(&Path::new("/sys/fs/cgroup").join(id));
    for interface in [id, &cable(id), &idle_interface(id)] {
        ip(&["link", "delete", interface]);
    }
    ip(&["netns", "delete", id]);
    let _ = fs::remove_dir_all(dir);
}

/// The end of the cable to the network namespace of the engine `id`.
pub fn cable(id: &str) -> String {
    format!("{id}c")
}

/// An interface of the engine `id` that nobody uses.
pub fn idle_interface(id: &str) -> String {
    format!("{id}i")
}

/// What is not there cannot be removed, and need not be.
fn ip(args: &[&str]) {
    let _ = Command::new("ip").args(args).stdin(Stdio::null()).stderr(Stdio::null()).status();
}

/// The processes that name `text` in their command line, but for this one.
pub fn processes(text: &str) -> Vec<i32> {
    let me = std::process::id().cast_signed();
    pids()
        .filter(|pid| *pid != me)
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(text)
        })
        .collect()
}

fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok())
}

/// The children of each process.
pub fn children() -> BTreeMap<i32, Vec<i32>> {
    let mut children = BTreeMap::<i32, Vec<i32>>::new();
    for pid in pids() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything, so count from behind it: state, then parent.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    children
}

/// Parents first: a shim that outlived its container would report to an engine that is no more.
fn kill_tree(pid: i32, children: &BTreeMap<i32, Vec<i32>>) {
    if let Some(target) = Pid::from_raw(pid) {
        let _ = kill_process(target, Signal::KILL);
    }
    for child in children.get(&pid).into_iter().flatten() {
        kill_tree(*child, children);
    }
}

fn unmount(inside: &str) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts: Vec<&str> = table.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    mounts.retain(|mount| mount.starts_with(inside));
    mounts.sort_unstable();
    for mount in mounts.into_iter().rev() {
        let _ = Command::new("umount")
            .args(["--lazy", mount])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// Control groups go from the leaves; their files cannot be removed and need not be.
fn remove_cgroup(group: &PathBuf) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}

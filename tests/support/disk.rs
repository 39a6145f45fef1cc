//! A small file system of a test's own, which can be full.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of a few MiB, unmounted on drop.
pub struct Disk(PathBuf);

impl Disk {
    /// One of so much, such as `3m`. `None`, with the reason printed, where mounting is not allowed.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0700");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                eprintln!("skipped: cannot run mount: {error}");
                None
            }
        }
    }

    /// Makes it so large, or so small.
    pub fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "it cannot be resized");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        for piece in [65_536, 4_096, 1] {
            while ballast.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    /// Frees so many bytes of it.
    pub fn spare(&self, bytes: u64) {
        let ballast = File::options().write(true).open(self.ballast()).unwrap();
        ballast.set_len(ballast.metadata().unwrap().len() - bytes).unwrap();
    }

    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

//! What a process is given beside flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the process was given beside flags.
#[derive(Clone, Default)]
pub struct Process {
    /// Environment variables; those that are not text are left out.
    pub variables: BTreeMap<String, String>,
    /// Whether the process runs as root.
    pub superuser: bool,
    /// Podman's socket, where no variable names an engine and Docker has none.
    pub podman: Option<String>,
}

impl Process {
    /// This process.
    pub fn current() -> Self {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        let user = rustix::process::geteuid().as_raw();
        let podman = super::engine::podman(&variables, user, Path::exists);
        Self { variables, superuser: is_superuser(), podman }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }
}

/// Who owns our entry in /proc is who we are; without /proc we count as an ordinary user.
fn is_superuser() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

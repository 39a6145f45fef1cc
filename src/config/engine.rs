//! Which engine is watched when nobody says.

use std::collections::BTreeMap;
use std::path::Path;

use super::environment::DOCKER_SOCKET;

/// Podman's socket, if no variable names an engine, Docker has none and Podman has: that of the system, then the user's.
pub(super) fn podman(
    variables: &BTreeMap<String, String>,
    user: u32,
    exists: impl Fn(&Path) -> bool,
) -> Option<String> {
    let given = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
    if given("DOCKER_HOST") || given("DOCKER_SOCK") || exists(Path::new(DOCKER_SOCKET)) {
        return None;
    }
    let runtime = variables.get("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty()).cloned();
    let runtime = runtime.unwrap_or_else(|| format!("/run/user/{user}"));
    let places = ["/run/podman/podman.sock".to_owned(), format!("{runtime}/podman/podman.sock")];
    places.into_iter().find(|path| exists(Path::new(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_is_watched_where_nobody_says_and_docker_is_not_there() {
        const SYSTEM: &str = "/run/podman/podman.sock";
        const USER: &str = "/run/user/1000/podman/podman.sock";
        let of = |variables: &[(&str, &str)], there: &[&str]| {
            let variables =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            podman(&variables, 1000, |path| there.contains(&path.to_str().expect("a path")))
        };
        assert_eq!(of(&[], &[]), None);
        assert_eq!(of(&[], &[SYSTEM, USER]).as_deref(), Some(SYSTEM));
        assert_eq!(of(&[], &[USER]).as_deref(), Some(USER));
        assert_eq!(of(&[("DOCKER_HOST", "")], &[USER]).as_deref(), Some(USER));
        assert_eq!(of(&[], &[DOCKER_SOCKET, SYSTEM]), None);
        assert_eq!(of(&[("DOCKER_HOST", "tcp://engine:2375")], &[SYSTEM]), None);
        assert_eq!(of(&[("DOCKER_SOCK", "/x.sock")], &[SYSTEM]), None);
        let elsewhere = [("XDG_RUNTIME_DIR", "/home/u/run")];
        assert_eq!(
            of(&elsewhere, &["/home/u/run/podman/podman.sock"]).as_deref(),
            Some("/home/u/run/podman/podman.sock")
        );
    }
}

//! A test with nobody to reach: it runs once more, in namespaces of its own, where the loopback interface is all the
//! network there is and no engine answers at the default socket.
//!
//! For what makes a program call addresses that nobody chose: random input, above all.

use std::future::Future;
use std::process::{Command, Stdio};

/// Set within, to the name of the test.
const INSIDE: &str = "PORTREEVE_TEST_ALONE";
/// Brings the interface up, covers the sockets of engines, and becomes the test.
const ENTER: &str = "ip link set lo up
for socket in /run/docker.sock /var/run/docker.sock; do
    [ ! -S $socket ] || mount --bind /dev/null $socket
done
exec \"$@\"";

/// Runs `body` alone; `test` is the whole name of the calling test.
///
/// Needs root, or a kernel that gives everybody namespaces.
pub fn alone<F: Future<Output = ()>>(test: &str, body: impl FnOnce() -> F) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        let routes = std::fs::read_to_string("/proc/net/route").expect("the routes");
        assert!(routes.lines().count() <= 1, "there is more than the loopback interface:\n{routes}");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(body());
        return;
    }
    let own = std::env::current_exe().expect("the test's own path");
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--net", "--mount", "sh", "-euc", ENTER, "sh"]).arg(own);
    command.args(["--exact", test, "--nocapture", "--include-ignored"]).env(INSIDE, test);
    let status = command.status().expect("unshare, of util-linux");
    assert!(
        status.success(),
        "alone it did not pass ({status}); namespaces need root, or must be open to all"
    );
}

/// Runs the test of this name, which is ignored otherwise, in a process with these variables: some are read once. It must
/// pass.
pub async fn passes_with(test: &str, variables: &[(&str, &str)]) {
    let judged = tokio::process::Command::new(std::env::current_exe().expect("the test's own path"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("a process");
    let said = [judged.stdout, judged.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(judged.status.success() && said.contains("1 passed"), "{said}");
}

//! An SSH server of a test's own, on a loopback port, for the user who runs the test.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tokio::process::Child;

use super::wait;

pub struct Sshd {
    home: TempDir,
    user: String,
    port: u16,
    /// A name for it that nobody else knows, as clients are configured.
    alias: String,
    child: Option<Child>,
}

impl Sshd {
    /// Keys and configuration; it does not listen yet.
    pub fn new() -> Self {
        run("bash", &[&format!("{}/tests/engine/sshd", env!("CARGO_MANIFEST_DIR"))]);
        let home = TempDir::with_prefix("portreeve-ssh-").expect("a temporary directory");
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let user = run("id", &["-un"]).trim().to_owned();
        let sshd = Self { user, port: free.port(), home, alias: String::new(), child: None };
        for key in ["host", "user", "stranger"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", &sshd.file(key)]);
        }
        let server = format!(
            "ListenAddress 127.0.0.1:{}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nPermitRootLogin yes\n",
            sshd.port,
            sshd.file("host"),
            sshd.file("user.pub"),
        );
        std::fs::write(sshd.file("sshd_config"), server).expect("a configuration");
        let host_key = std::fs::read_to_string(sshd.file("host.pub")).expect("a key");
        let known = format!("[127.0.0.1]:{} {host_key}", sshd.port);
        std::fs::write(sshd.file("known_hosts"), known).expect("known hosts");
        sshd.identity("user");
        // The client's own configuration is that of the user who runs the tests; it is neither read nor written.
        let client = run("sh", &["-c", "command -v ssh"]);
        let wrapper = format!("#!/bin/sh\nexec {} -F {} \"$@\"\n", client.trim(), sshd.file("ssh_config"));
        std::fs::create_dir(sshd.home.path().join("bin")).expect("a directory");
        std::fs::write(sshd.file("bin/ssh"), wrapper).expect("a wrapper");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(sshd.file("bin/ssh"), executable).expect("permissions");
        sshd
    }

    /// Whose key clients show from now on: `user`, who may come in, or a `stranger`.
    pub fn identity(&self, key: &str) {
        let config = format!(
            "{}UserKnownHostsFile {}\nGlobalKnownHostsFile none\nStrictHostKeyChecking yes\nIdentitiesOnly yes\n\
             IdentityAgent none\nIdentityFile {}\n",
            self.alias,
            self.file("known_hosts"),
            self.file(key),
        );
        std::fs::write(self.file("ssh_config"), config).expect("a configuration");
    }

    /// A `PATH` on which `ssh` is one that knows this server and its key.
    pub fn path(&self) -> String {
        format!("{}:{}", self.file("bin"), std::env::var("PATH").expect("a PATH"))
    }

    /// Where a DockerHost finds the engine with this socket.
    pub fn endpoint(&self, socket: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, socket.display())
    }

    /// The same by a name that only clients of this server know.
    pub fn alias(&mut self, name: &str, socket: &Path) -> String {
        self.alias = format!(
            "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  HostKeyAlias [127.0.0.1]:{}\nHost *\n",
            self.port, self.user, self.port
        );
        self.identity("user");
        format!("ssh://{name}{}", socket.display())
    }

    /// Listens, until it is dropped.
    pub async fn start(&mut self) {
        // It insists on an absolute path, to start itself again for each connection.
        let child = tokio::process::Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &self.file("sshd_config")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("sshd starts");
        self.child = Some(child);
        wait::until("the SSH server listens", wait::SOON, || async {
            tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.map(drop)
        })
        .await;
    }

    fn file(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

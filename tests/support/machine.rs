//! A machine that systemd boots, for what only a machine shows: units, their users and their sandboxes.
//!
//! `systemd-nspawn` runs it from this machine's own `/usr`, which it can only read; `/etc` and `/var` are its own, and
//! of networks it has its loopback. It takes root and a few seconds.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{leftovers, wait};

/// What it comes up to: nothing but what every machine has.
const TARGET: &str = "portreeve-test.target";

pub struct Machine {
    home: TempDir,
    name: String,
    binds: Vec<String>,
    child: Option<Child>,
    /// Its first process, as this machine numbers it.
    leader: i32,
}

impl Machine {
    /// A machine with empty directories, not booted yet; `None`, with the reason printed, where none can run.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can boot a machine");
            return None;
        }
        let up = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/up");
        let output = Command::new("bash").arg(up).arg("machine").stdin(Stdio::null()).output().expect("bash");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let home = TempDir::with_prefix("portreeve-machine-").expect("a directory");
        fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).expect("permissions");
        let machine = Self {
            name: format!("pt{:x}", std::process::id()),
            home,
            binds: vec!["--bind-ro=/usr".to_owned()],
            child: None,
            leader: 0,
        };
        for directory in ["dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"] {
            fs::create_dir_all(machine.path(directory)).expect("a directory");
        }
        for directory in
            ["bin", "lib", "lib64", "sbin"].into_iter().filter(|name| Path::new("/usr").join(name).exists())
        {
            symlink(format!("usr/{directory}"), machine.path(directory)).expect("a link");
        }
        // Not a first boot, at which systemd would switch on whatever is installed here.
        machine.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        machine.file("etc/os-release", "ID=portreeve-test\n");
        machine.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        machine.file("etc/group", "root:x:0:\n");
        machine.file("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
        machine.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
        let _ = fs::copy("/etc/ld.so.cache", machine.path("etc/ld.so.cache"));
        let unit = "[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n";
        machine.file(&format!("etc/systemd/system/{TARGET}"), unit);
        let tried = machine.nspawn().args(["--pipe", "/usr/bin/true"]).stdin(Stdio::null()).output();
        match tried {
            Ok(output) if output.status.success() => Some(machine),
            Ok(output) => {
                eprintln!("skipped: systemd-nspawn: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                eprintln!("skipped: systemd-nspawn: {error}");
                None
            }
        }
    }

    /// Where `path` of the machine, without its first `/`, is here.
    pub fn path(&self, path: &str) -> PathBuf {
        self.home.path().join("root").join(path)
    }

    /// Writes a file of the machine, before it boots or while it runs.
    pub fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Shows a file or directory of this machine at `to`, once it is booted.
    pub fn bind(&mut self, from: &Path, to: &str) {
        self.binds.push(format!("--bind={}:{to}", from.display()));
    }

    /// Puts a program where administrators put theirs, beside those of this machine.
    pub fn install(&mut self, program: &Path) {
        let (bin, name) = (self.home.path().join("bin"), program.file_name().expect("a name"));
        fs::create_dir_all(&bin).expect("a directory");
        fs::copy(program, bin.join(name)).expect("a program");
        self.binds.push(format!("--overlay-ro=/usr/local/bin:{}:/usr/local/bin", bin.display()));
    }

    fn nspawn(&self) -> Command {
        // It ends with the test, however that ends.
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "TERM",
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--private-network",
        ]);
        command
            .arg(format!("--directory={}", self.path("").display()))
            .arg(format!("--machine={}", self.name));
        if !Path::new("/run/systemd/system").exists() {
            // There is nobody to ask for a control group.
            command.arg("--keep-unit");
        }
        command.args(&self.binds);
        command
    }

    /// Boots it, and returns when it is up.
    pub async fn boot(&mut self) {
        let log = fs::File::create(self.home.path().join("console")).expect("a file");
        let mut command = self.nspawn();
        command.args(["--console=pipe", "--boot", &format!("systemd.unit={TARGET}")]);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let child = command.spawn().expect("systemd-nspawn");
        let nspawn = child.id().cast_signed();
        self.child = Some(child);
        let console = || fs::read_to_string(self.home.path().join("console")).unwrap_or_default();
        let leader = wait::until("the machine is up", Duration::from_secs(90), || async {
            let leader = leftovers::children().get(&nspawn).and_then(|all| all.first().copied());
            let leader = leader.ok_or_else(console)?;
            let output = inside(leader, &["systemctl", "is-active", TARGET]);
            if output.status.success() { Ok(leader) } else { Err(console()) }
        })
        .await;
        self.leader = leader;
    }

    /// Runs a command in it, as root.
    pub fn run(&self, command: &[&str]) -> Output {
        inside(self.leader, command)
    }

    /// What a command prints that must end well.
    pub fn said(&self, command: &[&str]) -> String {
        let output = self.run(command);
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{command:?}: {text}");
        text
    }
}

fn inside(leader: i32, command: &[&str]) -> Output {
    let mut nsenter = Command::new("nsenter");
    nsenter.args(["--target", &leader.to_string(), "--all", "--"]).args(command).env_clear();
    nsenter.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    nsenter.stdin(Stdio::null()).output().expect("nsenter")
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
                // It is shut down.
                let _ = kill_process(pid, Signal::TERM);
            }
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(30) && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(Path::new("/run/systemd/nspawn/propagate").join(&self.name));
    }
}

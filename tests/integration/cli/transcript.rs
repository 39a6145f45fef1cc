//! Golden transcripts: a file of commands with what they print and their exit codes, run again and compared.
//!
//! A line that starts with `$ ` is run by `sh` in a directory of its own, with the program as `portreeve`; lines that
//! start with `> ` belong to it. Below it stands everything it printed, both streams, and `[N]` if it ended with
//! another code than 0. What differs from run to run is masked, in the file and in what is compared with it.
//! `PORTREEVE_BLESS=1` writes the files anew.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::BINARY;
use crate::support::portreeve::Portreeve;

pub struct Shell {
    directory: TempDir,
    server: String,
    /// The socket of whom the shell starts.
    socket: Option<PathBuf>,
    masks: Vec<(String, &'static str)>,
}

impl Shell {
    /// A shell whose commands ask the Portreeve at `server`.
    pub fn new(server: &str) -> Self {
        let directory = TempDir::with_prefix("portreeve-cli-").expect("a directory");
        std::os::unix::fs::symlink(BINARY, directory.path().join("portreeve"))
            .expect("a link to the program");
        std::fs::create_dir(directory.path().join("work")).expect("a directory");
        let masks = vec![
            (directory.path().join("work").display().to_string(), "DIR"),
            (server.trim_end_matches('/').to_owned(), "SERVER"),
        ];
        Self { server: server.to_owned(), socket: None, masks, directory }
    }

    /// A shell whose commands ask this process, as a user who may change everything.
    pub fn of(portreeve: &Portreeve) -> Self {
        Self::new(&portreeve.socket_url())
            .mask(portreeve.url("").trim_end_matches('/'), "SERVER")
            .mask(&portreeve.socket().display().to_string(), "SOCKET")
    }

    /// A shell that may start this process itself, and asks it over TCP.
    pub fn before(portreeve: &Portreeve) -> Self {
        Self { socket: Some(portreeve.socket()), ..Self::new(&portreeve.url("")) }
    }

    /// Shows `text` as `word`.
    #[must_use]
    pub fn mask(mut self, text: &str, word: &'static str) -> Self {
        self.masks.push((text.to_owned(), word));
        self
    }

    /// Where its commands run.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// A file that commands find.
    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join("work").join(name), text).expect("a file");
    }

    /// Starts a command that goes on by itself.
    pub fn spawn(&self, line: &str) -> std::process::Child {
        self.command(&format!("exec {line}")).spawn().expect("sh")
    }

    /// What `line` prints, both streams, as it is.
    pub fn run_raw(&self, line: &str) -> String {
        let output = self.command(&format!("{{ {line}\n}} 2>&1")).output().expect("sh");
        String::from_utf8(output.stdout).expect("text")
    }

    /// What `line` prints, masked, and its exit code below it if it is not 0.
    pub fn run(&self, line: &str) -> String {
        let output = self.command(&format!("{{ {line}\n}} 2>&1")).output().expect("sh");
        let mut text = String::from_utf8(output.stdout).expect("text");
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        match output.status.code() {
            Some(0) => {}
            Some(code) => text.push_str(&format!("[{code}]\n")),
            None => text.push_str("[killed]\n"),
        }
        self.masked(&text)
    }

    fn command(&self, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .current_dir(self.directory.path().join("work"))
            .env_clear()
            .env("PATH", format!("{}:{path}", self.directory.path().display()))
            .env("HOME", self.directory.path())
            .env("PORTREEVE_SERVER", &self.server)
            .envs(self.socket.as_ref().map(|path| ("PORTREEVE_SOCKET", path)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs every command of the golden file and compares.
    pub fn assert_transcript(&self, name: &str) {
        let path = golden(name);
        let expected = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut found = String::new();
        let mut lines = expected.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(first) = line.strip_prefix("$ ") {
                let mut script = first.to_owned();
                found.push_str(&format!("{line}\n"));
                while let Some(more) =
                    lines.peek().and_then(|line| line.strip_prefix("> ").or(line.strip_prefix('>')))
                {
                    script.push_str(&format!("\n{more}"));
                    found.push_str(&format!("{}\n", lines.next().expect("it was peeked at")));
                }
                found.push_str(&self.run(&script));
            } else if line.starts_with('#')
                || (line.is_empty() && lines.peek().is_some_and(|next| next.starts_with(['$', '#'])))
            {
                found.push_str(&format!("{line}\n"));
            }
        }
        if std::env::var_os("PORTREEVE_BLESS").is_some() {
            std::fs::write(&path, &found).expect("a golden file");
        } else if found != expected {
            panic!("{} differs:\n{}", path.display(), first_difference(&expected, &found));
        }
    }

    fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.masks {
            text = text.replace(from, to);
        }
        text.lines().map(|line| format!("{}\n", masked_line(line))).collect()
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/cli").join(name)
}

/// Ages, times, ids, versions of objects and what they use by words that are always the same; columns by two blanks.
fn masked_line(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let (indent, rest) = line.split_at(indent);
    let separators = |c: char| c.is_whitespace() || matches!(c, '"' | ',' | '(' | ')' | '\'');
    let mut masked = String::new();
    let mut word = String::new();
    for c in rest.chars().chain(['\n']) {
        if separators(c) {
            masked.push_str(&mask_word(&word));
            word.clear();
            masked.push(c);
        } else {
            word.push(c);
        }
    }
    let words: Vec<&str> = masked.trim_end().split("  ").filter(|part| !part.trim().is_empty()).collect();
    format!("{indent}{}", words.iter().map(|word| word.trim()).collect::<Vec<_>>().join("  "))
}

fn mask_word(word: &str) -> String {
    let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_age = |text: &str| {
        text.strip_suffix('s').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_number = |text: &str| text.parse::<f64>().is_ok() && text.contains('.');
    if word.strip_suffix('%').is_some_and(is_number) {
        "N%".to_owned()
    } else if word.strip_suffix("iB").is_some_and(|word| is_number(word.trim_end_matches(['K', 'M', 'G']))) {
        "NiB".to_owned()
    } else if word.parse::<jiff::Timestamp>().is_ok() {
        "TIME".to_owned()
    } else if hex(word, 64) || word.parse::<uuid::Uuid>().is_ok() {
        "ID".to_owned()
    } else if is_age(word) {
        "Ns".to_owned()
    } else {
        word.to_owned()
    }
}

fn first_difference(expected: &str, found: &str) -> String {
    let mut report = String::new();
    for (place, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        if expected != found {
            report.push_str(&format!("line {}:\n  expected: {expected}\n  found:    {found}\n", place + 1));
            break;
        }
    }
    format!("{report}\nall of it as found (PORTREEVE_BLESS=1 writes it):\n{found}")
}

#[test]
fn what_differs_from_run_to_run_is_masked_and_nothing_else() {
    for (line, expected) in [
        ("web   running  12s", "web  running  Ns"),
        ("  url: http://b:1 (3s ago)", "  url: http://b:1 (Ns ago)"),
        ("at 2025-08-19T07:17:22.193Z, then", "at TIME, then"),
        ("\"uid\": \"0198c0de-0000-7000-8000-000000000001\"", "\"uid\": \"ID\""),
        ("web  12.5%  64.0MiB  5%", "web  N%  NiB  5%"),
        ("budget 5/1h sessions", "budget 5/1h sessions"),
    ] {
        assert_eq!(masked_line(line), expected);
    }
}

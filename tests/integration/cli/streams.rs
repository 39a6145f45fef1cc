//! Verbs that go on until they are told to stop.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};

use super::transcript::Shell;
use super::{serving, without_engine};
use crate::support::wait;

/// A command that goes on, and its lines as they come.
pub struct Going {
    child: Child,
    lines: Receiver<String>,
}

impl Going {
    pub fn new(mut child: Child) -> Self {
        let (tell, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line that holds `text`; those before it are dropped.
    pub fn line(&self, text: &str) -> String {
        self.until(text).1
    }

    /// The lines before the next one that holds `text`, and that one.
    pub fn until(&self, text: &str) -> (Vec<String>, String) {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(wait::SOON) {
                Ok(line) if line.contains(text) => return (seen, line),
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with {text:?}; seen: {seen:#?}"),
            }
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn billing(path: &str) -> String {
    format!(
        "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: billing}}\nspec: {{url: http://127.0.0.1:1, path: {path}}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_what_is_there_and_every_change() {
    let portreeve = without_engine().await;
    let shell = Shell::of(&portreeve);
    shell.file("a.yaml", &billing("/a"));
    shell.file("b.yaml", &billing("/b"));
    shell.run("portreeve apply -f a.yaml");
    let table = Going::new(shell.spawn("portreeve get bill -w"));
    table.line("NAME");
    table.line("billing");
    let json = Going::new(shell.spawn("portreeve get bill billing -w -o json"));
    json.line("ADDED");
    shell.run("portreeve apply -f b.yaml");
    table.line("billing");
    let change: serde_json::Value = serde_json::from_str(&json.line("MODIFIED")).expect("JSON");
    assert_eq!(change["object"]["spec"]["path"], "/b");
    shell.run("portreeve delete bill billing");
    assert!(table.line("deleted").starts_with("billing"));
    json.line("DELETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_it_is_so() {
    let portreeve = without_engine().await;
    let shell = Shell::of(&portreeve);
    shell.file("a.yaml", &billing("/a"));
    let wait = Going::new(shell.spawn("portreeve wait bill billing --for=condition=Accepted --timeout 20s"));
    shell.run("portreeve apply -f a.yaml");
    assert_eq!(wait.line("met"), "BillingService/billing condition Accepted met");
    let gone = Going::new(shell.spawn("portreeve wait bill/billing --for=delete --timeout 20s"));
    shell.run("portreeve delete bill/billing");
    assert_eq!(gone.line("deleted"), "BillingService/billing deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_outlives_its_server_and_tells_nothing_twice() {
    let mut portreeve = without_engine().await;
    let shell = Shell::of(&portreeve);
    shell.file("a.yaml", &billing("/a"));
    shell.file("b.yaml", &billing("/b"));
    shell.run("portreeve apply -f a.yaml");
    shell.file("gone.yaml", &billing("/a").replace("name: billing", "name: gone"));
    shell.run("portreeve apply -f gone.yaml");
    let going = |line: &str| Going::new(shell.spawn(&format!("{line} 2>&1")));
    let mut watch = going("portreeve get bill -w -o json");
    let mut looking = going("portreeve get deliveries -w");
    let mut events = going("portreeve events -w --for nobody");
    let mut top = going("portreeve top -w -o json");
    // Each was answered once it shows something.
    watch.line("ADDED");
    watch.line("ADDED");
    looking.line("NAME");
    events.line("no container named `nobody`");
    top.line("containers");
    portreeve.terminate().await;
    for going in [&mut watch, &mut looking, &mut events, &mut top] {
        going.line("; waiting");
    }
    let mut portreeve = serving(portreeve).await;
    shell.run("portreeve delete bill gone");
    let (before, gone) = watch.until("DELETED");
    assert!(before.iter().all(|line| !line.contains("ADDED")) && gone.contains("gone"), "{before:#?}");
    shell.run("portreeve apply -f b.yaml");
    let (before, _) = watch.until("\"/b\"");
    assert!(before.iter().all(|line| !line.contains("ADDED")), "{before:#?}");
    for going in [&mut looking, &mut events, &mut top] {
        going.line("Portreeve answers again");
        assert_eq!(going.child.try_wait().expect("a child"), None, "it ended");
    }
    portreeve.terminate().await;
    // What was never there is not waited for.
    assert!(shell.run("portreeve get bill -w").ends_with("[1]\n"));
}

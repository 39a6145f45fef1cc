//! Verbs that go on until they are told to stop.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::transcript::Shell;
use super::{BINARY, serving, without_engine};
use crate::support::fake_engine::{FakeEngine, fleet};
use crate::support::portreeve::Portreeve;
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

/// Declares the service anew.
fn change(shell: &Shell, n: u32) {
    shell.file("a.yaml", &billing(&format!("/{n}")));
    shell.run("portreeve apply -f a.yaml");
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

#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_over_a_restart_none_is_lost_and_none_told_twice() {
    let mut portreeve = without_engine().await;
    let shell = Shell::of(&portreeve);
    let change = |n| change(&shell, n);
    change(0);
    let events = Going::new(shell.spawn("portreeve events -f -o json 2>&1"));
    let (mut told, first) = events.until("BillingService/billing");
    told.push(first);
    portreeve.terminate().await;
    let (before, _) = events.until("; waiting");
    told.extend(before);
    let portreeve = serving(portreeve).await;
    // Some of these are recorded before it is asked again.
    (1..9).for_each(change);
    let listed = async || {
        let list = portreeve.get("/apis/portreeve/v1/events?limit=10000").await.expect("an answer").json();
        let mut numbers: Vec<u64> =
            list["items"].as_array().expect("items").iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    };
    let newest = listed().await.pop().expect("an event");
    let (more, last) = events.until(&format!("\"name\":\"{newest}\""));
    told.extend(more);
    told.push(last);
    let told: Vec<u64> = told
        .iter()
        .filter_map(|line| number(&serde_json::from_str::<serde_json::Value>(line).ok()?))
        .collect();
    let expected: Vec<u64> = listed().await.into_iter().filter(|number| *number <= newest).collect();
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_on_from_the_present_where_those_since_are_not_kept() {
    let mut portreeve = without_engine().await;
    let shell = Shell::of(&portreeve);
    let change = |n| change(&shell, n);
    (0..9).for_each(change);
    let events = Going::new(shell.spawn("portreeve events -f -o json 2>&1"));
    let read = |line: &str| number(&serde_json::from_str(line).expect("JSON")).expect("a number");
    let last = (0..9).map(|_| read(&events.line("BillingService/billing"))).max().expect("events");
    portreeve.terminate().await;
    events.line("; waiting");
    // Somebody has begun afresh: the numbers, too.
    std::fs::remove_dir_all(portreeve.state_dir()).expect("a directory");
    let _portreeve = serving(portreeve).await;
    events.line("the server does not keep all events since the last one; going on with what comes now");
    // It goes on in a moment; what was recorded before that is not told.
    let of_now = (9..99).find_map(|n| {
        change(n);
        events
            .lines
            .recv_timeout(Duration::from_secs(1))
            .ok()
            .filter(|line| line.contains("BillingService/billing"))
    });
    let of_now = of_now.expect("an event");
    assert!(read(&of_now) < last, "{of_now}");
}

fn number(event: &serde_json::Value) -> Option<u64> {
    event["metadata"]["name"].as_str()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_followed_over_a_restart_and_told_of_as_far_as_they_differ() {
    let engine = FakeEngine::live();
    engine.populate(0..3, fleet::plain);
    let mut portreeve = Portreeve::new(BINARY).arg("--observe").docker_host(&engine.endpoint());
    portreeve.start().await;
    let known = async |portreeve: &Portreeve, count: usize| {
        wait::until("all are known", wait::SOON, async || {
            let known = portreeve.get("/api/containers").await?.json().as_array().map_or(0, Vec::len);
            wait::is(known == count, known.to_string())
        })
        .await;
    };
    known(&portreeve, 3).await;
    let shell = Shell::of(&portreeve);
    let table = Going::new(shell.spawn("portreeve get containers -w 2>&1"));
    table.line("NAME");
    for name in ["air-0", "air-1", "air-2"] {
        assert!(table.line("air-").starts_with(name), "in the order of names");
    }
    engine.die(&fleet::id(1), 3);
    assert!(table.line("exited").starts_with("air-1"));
    portreeve.terminate().await;
    table.line("; waiting");
    engine.remove(&fleet::id(2));
    portreeve.start().await;
    let (before, gone) = table.until("deleted");
    assert!(gone.starts_with("air-2"), "{gone}");
    assert!(before.iter().all(|line| !line.starts_with("air-0")), "{before:#?}");
    engine.die(&fleet::id(0), 1);
    let (before, _) = table.until("exited");
    assert!(before.iter().all(|line| line.starts_with("air-0")), "{before:#?}");
}

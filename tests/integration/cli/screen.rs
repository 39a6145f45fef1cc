//! On a terminal: colours, tables as wide as it is, and what is being waited for.

use super::streams::Going;
use super::transcript::Shell;
use super::{serving, without_engine};
use crate::support::engine::Engine;
use crate::support::lab::Lab;
use crate::support::portreeve::Portreeve;

const RED: &str = "\u{1b}[31m";
/// Back to the first line, and erase all.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";
/// Back to the beginning of the line, and erase it.
const OVER: &str = "\r\u{1b}[K";

/// Runs `line` on a terminal of these columns and lines.
fn terminal((columns, lines): (u32, u32), line: &str) -> String {
    format!(
        "env TERM=xterm script --quiet --return --command 'stty columns {columns} rows {lines}; {line}' /dev/null"
    )
}

/// What that terminal is sent.
pub fn on_a_terminal(shell: &Shell, size: (u32, u32), line: &str) -> String {
    shell.run_raw(&terminal(size, line))
}

/// A line as it is seen.
fn plain(line: &str) -> String {
    // Without what was written over.
    let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
    anstream::adapter::strip_str(line).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_the_terminal_and_have_colours_there_only() {
    let portreeve = without_engine().await;
    let shell = Shell::of(&portreeve);
    let narrow = on_a_terminal(&shell, (70, 24), "portreeve get host -o wide");
    assert!(narrow.contains("local") && narrow.contains('…'), "{narrow}");
    let longest = narrow.lines().map(|line| plain(line).chars().count()).max();
    assert!(longest.is_some_and(|longest| longest <= 70), "{longest:?}:\n{narrow}");
    let wide = on_a_terminal(&shell, (200, 24), "portreeve get host -o wide");
    assert!(!wide.contains('…'), "{wide}");

    let status = on_a_terminal(&shell, (80, 24), "portreeve status");
    assert!(status.contains(RED), "{status}");
    for plain in [
        on_a_terminal(&shell, (80, 24), "NO_COLOR=1 portreeve status"),
        on_a_terminal(&shell, (80, 24), "TERM=dumb portreeve status"),
        shell.run_raw("portreeve status"),
    ] {
        assert!(plain.contains("wrong (1)") && !plain.contains('\u{1b}'), "{plain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_waited_for_is_shown_on_one_line_that_is_erased() {
    let portreeve = without_engine().await;
    let shell = Shell::of(&portreeve);
    let wait = "portreeve wait heal default --for=condition=Ready --timeout 1s";
    for line in [wait.to_owned(), format!("NO_COLOR=1 {wait}")] {
        let said = on_a_terminal(&shell, (60, 24), &line);
        assert!(said.contains(&format!("{OVER}waiting for AutohealPolicy/default: ")), "{said:?}");
        let (_, after) = said.rsplit_once(OVER).expect("a line of progress");
        assert!(
            anstream::adapter::strip_str(after)
                .to_string()
                .starts_with("error: AutohealPolicy/default: not within 1s"),
            "{said:?}"
        );
        let progress = said.split(OVER).filter(|part| part.starts_with("waiting"));
        assert!(progress.into_iter().all(|line| line.chars().count() <= 60), "{said:?}");
    }
    let piped = shell.run_raw(wait);
    assert!(piped.starts_with("error: AutohealPolicy/default"), "{piped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_drawn_again_and_again_also_while_its_server_is_away() {
    let mut portreeve = without_engine().await;
    let shell = Shell::of(&portreeve);
    let screen = Going::new(shell.spawn(&terminal((100, 40), "portreeve status -w")));
    screen.line(CLEAR);
    let (lines, _) = screen.until(CLEAR);
    assert!(lines.iter().any(|line| plain(line).starts_with("wrong (1)")), "{lines:#?}");
    portreeve.terminate().await;
    screen.line("cannot reach Portreeve");
    let _portreeve = serving(portreeve).await;
    screen.line("manifests");
}

#[tokio::test(flavor = "multi_thread")]
async fn top_is_drawn_again_and_again_on_a_terminal_and_cut_to_its_lines() {
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    for name in ["a", "b", "c", "d"] {
        lab.container(name).start().await;
    }
    let mut portreeve = Portreeve::new(super::BINARY).docker_host(engine.endpoint()).healing_only(&lab);
    portreeve.start().await;
    let shell = Shell::of(&portreeve);
    let top = format!("portreeve top --sort name -w -l portreeve.test={}", lab.run());
    let screen = Going::new(shell.spawn(&terminal((100, 6), &top)));
    screen.line(CLEAR);
    for _ in 0..2 {
        let (mut lines, next) = screen.until(CLEAR);
        lines.push(next);
        let lines: Vec<_> = lines.iter().map(|line| plain(line)).collect();
        let [header, a, b, more, summary] = lines.as_slice() else { panic!("{lines:#?}") };
        assert!(header.starts_with("NAME") && more == "and 2 more", "{lines:#?}");
        assert!(a.starts_with("a-") && b.starts_with("b-"), "{lines:#?}");
        assert!(summary.starts_with("4 containers: 4 running, 0 unhealthy; CPU "), "{lines:#?}");
    }
    // Where there is no screen the tables follow each other, whole.
    let piped = Going::new(shell.spawn(&top));
    piped.line("NAME");
    let (lines, _) = piped.until("NAME");
    assert_eq!(lines.len(), 4, "{lines:#?}");
}

//! On a terminal: colours, tables as wide as it is, and what is being waited for.

use super::streams::Going;
use super::transcript::Shell;
use super::{serving, without_engine};
use crate::support::engine::Engine;
use crate::support::fake_engine::{Container, FakeEngine};
use crate::support::lab::Lab;
use crate::support::portreeve::Portreeve;
use crate::support::wait;

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
        assert!(plain.contains("problems (1)") && !plain.contains('\u{1b}'), "{plain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_eighty_columns_no_line_is_longer_and_no_name_is_lost() {
    const NAME: &str = "a-container-whose-name-is-far-too-long-for-a-terminal-of-80-columns";
    let engine = FakeEngine::start();
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("nanoseconds");
    let container = Container {
        name: NAME.to_owned(),
        created: now - 9_000_000_000,
        started: now - 8_000_000_000,
        running: true,
        ..Container::default()
    };
    engine.show(&"a1".repeat(32), Some(container));
    let portreeve = Portreeve::new(super::BINARY).arg("--observe");
    portreeve.manifest(
        "all.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {{name: local}}\nspec: {{endpoint: '{}'}}\n---\n\
             apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: {NAME}}}\nspec: {{url: 'http://127.0.0.1:1'}}\n---\n\
             apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: {NAME}}}\nspec: {{selector: {{names: ['a-*']}}, \
             probes: [{{name: a-probe-with-quite-a-name, tcpSocket: {{host: 127.0.0.1, port: 1}}, periodSeconds: 1, failureThreshold: 1}}]}}\n",
            engine.endpoint()
        ),
    );
    let portreeve = serving(portreeve).await;
    let shell = Shell::of(&portreeve);
    wait::until("the service is unhealthy and a bill waits", wait::SOON, || async {
        let said = shell.run("portreeve status");
        wait::is(said.contains("is unhealthy") && said.contains("1 waiting, "), said)
    })
    .await;
    for (line, has_name) in [
        ("portreeve status", true),
        ("portreeve status --all", true),
        ("portreeve top", true),
        ("portreeve top svc", true),
        ("portreeve get containers", true),
        ("portreeve get containers -o wide", true),
        ("portreeve get events -o wide", true),
        ("portreeve get svc -o wide", true),
        ("portreeve get bill -o wide", true),
        ("portreeve get deliveries -o wide", true),
        ("portreeve events", true),
        (&format!("portreeve describe container {NAME}"), true),
        (&format!("portreeve describe svc {NAME}"), true),
        (&format!("portreeve describe bill {NAME}"), true),
        ("portreeve explain verdicts", false),
    ] {
        let said = on_a_terminal(&shell, (80, 100), line);
        let lines: Vec<String> = said.lines().map(plain).collect();
        // The socket's path is this machine's, and a path is not broken where it could not be copied.
        let too_long: Vec<_> = lines.iter().filter(|line| line.chars().count() > 80).collect();
        assert!(too_long.is_empty(), "{line}: {too_long:#?}\n{said}");
        let whole = lines.iter().any(|line| line.contains(NAME));
        // Broken in its column: each part begins where the one above it does.
        let broken = (8..NAME.len()).any(|at| {
            lines.windows(2).any(|pair| {
                let place = pair[0].find(&NAME[..at]);
                let place =
                    place.filter(|place| pair[0][place + at..].chars().next().is_none_or(|c| c == ' '));
                place.is_some_and(|place| {
                    pair[1].get(place..).is_some_and(|rest| {
                        NAME[at..].starts_with(rest.split(' ').next().unwrap_or("-"))
                            && !rest.starts_with(' ')
                    })
                })
            })
        });
        assert!(!has_name || whole || broken, "{line}: the name is lost:\n{said}");
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
                .starts_with("error: AutohealPolicy/default: timed out after 1s"),
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
    assert!(lines.iter().any(|line| plain(line).starts_with("problems (1)")), "{lines:#?}");
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
        assert!(summary.starts_with("4 containers: 4 running, 0 unhealthy, 0 restarts; CPU "), "{lines:#?}");
    }
    // Where there is no screen the tables follow each other, whole.
    let piped = Going::new(shell.spawn(&top));
    piped.line("NAME");
    let (lines, _) = piped.until("NAME");
    assert_eq!(lines.len(), 4, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_top_and_metrics_count_alike() {
    let engine = Engine::own().await;
    let lab = Lab::new(&engine).await;
    let quick = std::time::Duration::from_millis(200);
    let sick = lab.container("sick").switched_health(quick, 2).start().await;
    lab.container("fine").switched_health(quick, 2).start().await;
    lab.container("plain").start().await;
    let healed = lab.healed("healed").switched_health(quick, 2).start().await;
    let paused = lab.container("paused").start().await;
    let ended = lab.container("ended").switched_health(quick, 2).start().await;
    let mut portreeve = Portreeve::new(super::BINARY).docker_host(engine.endpoint()).healing_only(&lab);
    portreeve.start().await;
    let docker = engine.docker();
    sick.sicken().await;
    ended.sicken().await;
    docker.pause_container(paused.id()).await.expect("paused");
    let first = healed.inspect().await.state.and_then(|state| state.started_at);
    healed.sicken().await;
    let shell = Shell::of(&portreeve);
    wait::until("all is so that is to be counted", std::time::Duration::from_secs(40), || async {
        let said = shell.run("portreeve get containers");
        wait::is(said.matches("unhealthy").count() >= 2 && said.contains("paused"), said)
    })
    .await;
    docker.stop_container(ended.id(), None).await.expect("stopped");
    // Right after a restart, and long before the next: nothing can be run in what is being restarted.
    wait::until("it was restarted", std::time::Duration::from_secs(40), || async {
        let state = healed.inspect().await.state.unwrap_or_default();
        wait::is(state.running == Some(true) && state.started_at != first, state)
    })
    .await;
    healed.cure().await;
    // A look at each while nothing changes: until they agree, something was under way.
    wait::until("all three say the same", std::time::Duration::from_secs(40), || async {
        let status = shell.run("portreeve status");
        let status =
            status.lines().find(|line| line.starts_with("containers ")).unwrap_or_default().to_owned();
        let top = on_a_terminal(&shell, (120, 30), "timeout 3 portreeve top -w");
        let top = top.lines().map(plain).find(|line| line.contains(" containers: ")).unwrap_or_default();
        let metrics = portreeve.get("/metrics").await.expect("an answer").body;
        let figure = |series: &str| -> u64 {
            let values = metrics.lines().filter_map(|line| line.strip_prefix(series));
            values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
        };
        let how = |how: &str| figure(&format!("portreeve_containers{{how=\"{how}\"}}"));
        let restarts = figure("portreeve_container_restarts{");
        let counted = |line: &str, word: &str| -> Option<u64> {
            let parts = line.split([',', ';', ':']).map(str::trim);
            parts.filter_map(|part| part.strip_suffix(word)?.trim().parse().ok()).next()
        };
        let restart = if restarts == 1 { "restart" } else { "restarts" };
        let same = ["running", "unhealthy"]
            .iter()
            .all(|word| counted(&status, word) == Some(how(word)) && counted(&top, word) == Some(how(word)));
        let same = same
            && counted(&status, restart) == Some(restarts)
            && counted(&top, restart) == Some(restarts)
            && figure("system_running_containers ") == how("running")
            && how("running") == 5
            && how("unhealthy") >= 1
            && restarts >= 1;
        wait::is(same, format!("{status}\n{top}\n{metrics}"))
    })
    .await;
}

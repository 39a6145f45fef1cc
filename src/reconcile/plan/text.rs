//! A plan as text: what `diff` shows and golden tests compare.

use std::fmt::Write as _;

use super::{Action, Blocked, DecidedPlan, Note, Verb};
use crate::observed::Nanos;
use crate::resource::Duration;

impl DecidedPlan {
    /// One line an entry, times relative to `now`; `nothing to do` for an empty plan.
    ///
    /// ```text
    /// restart web (local/4f5a…) attempt 1, policy default, stop timeout 10s, running since -1h
    ///   because its health check says unhealthy
    /// blocked BackingOff until +10s: the next attempt is due in 10s
    /// note Restarting warning #1: restarting web: …
    /// requeue +20s
    /// ```
    pub fn render(&self, now: Nanos) -> String {
        let mut text = String::new();
        for action in &self.actions {
            render_action(&mut text, action, now);
        }
        for Blocked { reason, message, until } in &self.blocked {
            let until = until.map_or_else(String::new, |until| format!(" until {}", relative(until, now)));
            line(&mut text, format_args!("blocked {reason}{until}: {message}"));
        }
        for Note { kind, reason, message, severity, restart_count, output: _ } in &self.notes {
            let kind = kind.as_str();
            let reason = reason.map_or_else(String::new, |reason| format!("/{reason}"));
            let severity = severity.as_str();
            line(&mut text, format_args!("note {kind}{reason} {severity} #{restart_count}: {message}"));
        }
        if let Some(at) = self.requeue_at {
            line(&mut text, format_args!("requeue {}", relative(at, now)));
        }
        if text.is_empty() {
            text.push_str("nothing to do\n");
        }
        text
    }
}

fn render_action(text: &mut String, action: &Action, now: Nanos) {
    let Action { intent: _, verb, container, name, started, state, attempt, parent: _, policy, cause } =
        action;
    let timeout = match verb {
        Verb::Restart { stop_timeout } | Verb::Recreate { stop_timeout } | Verb::Stop { stop_timeout } => {
            format!(", stop timeout {stop_timeout}")
        }
        Verb::Start => String::new(),
    };
    let since = started.map_or_else(
        || format!("{state}, never started"),
        |started| format!("{state}, started {}", relative(started, now)),
    );
    let verb = verb.as_str();
    line(
        text,
        format_args!(
            "{verb} {name} ({container}) attempt {attempt}, policy {policy}{timeout}, {since}\n  because {cause}"
        ),
    );
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}

/// An instant as seen from `now`: `+1m30s`, `-10s`, `now`.
pub(super) fn relative(at: Nanos, now: Nanos) -> String {
    let length = Duration::from_millis(at.since(now).unsigned_abs() / 1_000_000);
    match at.cmp(&now) {
        std::cmp::Ordering::Less => format!("-{length}"),
        std::cmp::Ordering::Equal => "now".to_owned(),
        std::cmp::Ordering::Greater => format!("+{length}"),
    }
}

/// The words of a stranger (an engine, a health check) as one line of at most 200 characters.
pub(in crate::reconcile) fn one_line(text: &str) -> String {
    const LONGEST: usize = 200;
    let words: Vec<&str> = text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

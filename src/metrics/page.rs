//! The text of a scrape, as Prometheus reads it.

use std::fmt::Write;

use crate::observed::{CHECK_TIMES, Checks};

/// Containers that get series of their own; the engine can hold more, a scrape must stay readable.
pub(super) const MOST_CONTAINERS: usize = 5_000;

/// A page in the text format of Prometheus, to which series are added that end with what they tell of.
pub(super) struct Page<'a>(pub(super) &'a mut String);

impl Page<'_> {
    pub(super) fn histogram(&mut self, name: &str, help: &str, series: &[(String, &Checks)]) {
        let mut lines = format!("# HELP {name} {help}\n# TYPE {name} histogram\n");
        for (labels, checks) in series {
            let total = checks.passed + checks.failed;
            for (bound, count) in CHECK_TIMES.iter().zip(checks.within) {
                let _ = writeln!(lines, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(lines, "{name}_bucket{{{labels},le=\"+Inf\"}} {total}");
            let _ = writeln!(lines, "{name}_sum{{{labels}}} {}", checks.seconds);
            let _ = writeln!(lines, "{name}_count{{{labels}}} {total}");
        }
        self.0.push_str(&lines);
        self.0.push('\n');
    }

    pub(super) fn gauge<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, f64)>,
    ) {
        self.family(name, "gauge", help, series);
    }

    pub(super) fn family<L: AsRef<str>>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, f64)>,
    ) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in series {
            let labels = labels.as_ref();
            let _ = match labels {
                "" => writeln!(self.0, "{name} {value}"),
                labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
            };
        }
        self.0.push('\n');
    }
}

/// A label value as the text format wants it.
pub(super) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point numbers")]
pub(super) fn whole(value: usize) -> f64 {
    value as f64
}

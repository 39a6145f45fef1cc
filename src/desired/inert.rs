//! What is declared, checked and shown, and changes nothing yet: said wherever it is declared, so that nobody counts on it.

use crate::resource::silence::Suppress;
use crate::resource::{KindId, Object, Spec};

/// Kinds on which nothing acts yet, each with what is not done. A kind that begins to be acted on leaves this table, and with it
/// every warning.
pub const INERT: &[(KindId, &str)] = &[
    (KindId::AlertRule, "no condition is evaluated and no alert fires"),
    (KindId::NotificationSink, "no message is sent"),
    (KindId::Workload, "no container is started"),
];

/// Why `object` has no effect in this version, if it has none.
pub fn inert(object: &Object) -> Option<String> {
    let kind = object.spec.kind();
    let listed = INERT.iter().find(|(inert, _)| *inert == kind);
    if let Some((kind, not_done)) = listed {
        return Some(format!("nothing acts on the kind {kind} yet: {not_done}"));
    }
    match &object.spec {
        Spec::Silence(silence) if !silence.suppress.contains(&Suppress::Healing) => Some(
            "it has no effect: this version sends no notifications; only `suppress: [healing]` has an effect"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Fields of `Settings` that nothing reads yet.
const IDLE: [&str; 9] = [
    "alerting",
    "criticalCpu",
    "criticalMemory",
    "defaultTimeout",
    "healthRetentionDays",
    "metricsPersistence",
    "retryAttempts",
    "serviceCheckInterval",
    "systemCheckInterval",
];

/// Which fields of an object that otherwise has an effect have none in this version, if some that are written down have none.
pub(super) fn idle(object: &Object) -> Option<String> {
    match &object.spec {
        Spec::Settings(_) => {
            let given: Vec<&str> = IDLE.into_iter().filter(|field| object.given.contains(*field)).collect();
            let have = if given.len() == 1 { "has" } else { "have" };
            let given = (!given.is_empty()).then(|| given.join(", "))?;
            Some(format!("{given} {have} no effect yet"))
        }
        Spec::MonitoredService(service) if !service.notify.is_empty() => {
            Some("spec.notify has no effect yet: no message is sent".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_nothing_reads_are_named_where_they_are_written_down() {
        let idle = |text: &str| {
            let parsed = crate::manifest::parse("a.yaml", text.as_bytes());
            assert_eq!(parsed.problems, []);
            idle(&parsed.objects[0].object)
        };
        let settings = |spec: &str| {
            idle(&format!(
                "{{apiVersion: portreeve/v1, kind: Settings, metadata: {{name: portreeve}}, spec: {spec}}}"
            ))
        };
        assert_eq!(settings("{resync: 5m, observe: true}"), None);
        assert_eq!(settings("{alerting: true}").as_deref(), Some("alerting has no effect yet"));
        let two = settings("{retryAttempts: 2, resync: 5m, criticalCpu: 90}");
        assert_eq!(two.as_deref(), Some("criticalCpu, retryAttempts have no effect yet"));
        let service = "{apiVersion: portreeve/v1, kind: MonitoredService, metadata: {name: a}, \
                       spec: {selector: {names: [a]}, notify: [{sinkRef: s}]}}";
        assert_eq!(idle(service).as_deref(), Some("spec.notify has no effect yet: no message is sent"));
    }

    #[test]
    fn the_readme_names_every_kind_on_which_nothing_acts_and_no_other() {
        let readme = include_str!("../../README.md");
        let line = readme.lines().find(|line| line.contains("**Nothing acts yet on**")).expect("a line");
        for kind in KindId::ALL {
            let inert = INERT.iter().any(|(inert, _)| inert == kind);
            assert_eq!(line.contains(&format!("`{kind}`")), inert, "{kind}: {line}");
        }
    }
}

//! How many containers there are and how they are, as `status` and `top` count them too; and which of them are meant to be up.

use std::collections::BTreeMap;

use super::page::{MOST_CONTAINERS, Page, escaped, whole};
use crate::controller::View;
use crate::observed::{Container, Counted, State, Tally, World};
use crate::reconcile::cause::StopCause;

pub(super) fn gauges(page: &mut Page<'_>, view: &View, world: &World) {
    let counted: Vec<(&Container, Counted)> =
        world.containers.values().map(|container| (&**container, view.counted(container))).collect();
    totals(page, &counted);
    let label = |container: &Container| {
        format!("container=\"{}\",engine=\"{}\"", escaped(&container.name), escaped(&container.key.engine))
    };
    let quarantined = counted.iter().filter(|(_, counted)| counted.quarantined).take(MOST_CONTAINERS);
    page.gauge(
        "portreeve_quarantined",
        "1 for each container in quarantine",
        quarantined.map(|(container, _)| (label(container), 1.0)),
    );
    let told = counted.iter().filter(|(_, counted)| counted.monitored || counted.restarts > 0);
    let restarts: BTreeMap<String, f64> = told
        .take(MOST_CONTAINERS)
        .map(|(container, counted)| {
            (label(container), whole(usize::try_from(counted.restarts).unwrap_or(usize::MAX)))
        })
        .collect();
    page.gauge("portreeve_container_restarts", "Restarts of a container by Portreeve", restarts);
}

fn totals(page: &mut Page<'_>, counted: &[(&Container, Counted)]) {
    let Tally { total, running, paused, healthy, unhealthy, silent, monitored, quarantined, restarts: _ } =
        counted.iter().map(|(_, counted)| *counted).collect();
    page.gauge("system_total_containers", "Containers that exist", [("", whole(total))]);
    page.gauge("system_running_containers", "Containers that run", [("", whole(running))]);
    let how = [
        ("running", running),
        ("paused", paused),
        ("healthy", healthy),
        ("unhealthy", unhealthy),
        ("silent", silent),
        ("monitored", monitored),
        ("quarantined", quarantined),
    ];
    page.gauge(
        "portreeve_containers",
        "Containers by state, as `portreeve status` counts them; a container can be in several states",
        how.map(|(how, number)| (format!("how=\"{how}\""), whole(number))),
    );
}

/// Whether a container that no MonitoredService selects is a service that should be up.
pub(super) fn is_meant_to_be_up(container: &Container, view: &View) -> bool {
    let now = view.clock_of(&container.key.engine);
    let cause = view.record(&container.key).map(|record| record.marks.cause(container, now));
    should_be_up(container, cause)
}

/// What was never started, has finished its work or was stopped by hand is no service that is down.
fn should_be_up(container: &Container, cause: Option<StopCause>) -> bool {
    match container.state {
        State::Running | State::Paused | State::Restarting | State::Dead => true,
        State::Created | State::Removing => false,
        State::Exited => match cause {
            Some(StopCause::ByHand) => false,
            Some(StopCause::EngineShutdown | StopCause::Ours { .. }) => true,
            Some(
                StopCause::Unseen
                | StopCause::Crash { .. }
                | StopCause::Undecided { .. }
                | StopCause::StartedSince,
            )
            | None => container.exit_code != 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_finished_or_was_stopped_by_hand_is_no_service_that_is_down() {
        let of = |state: State, exit_code: i64, cause| {
            let container = json!({
                "key": {"engine": "local", "id": "c1"}, "name": "web", "image": "i", "created": 1, "started": 2,
                "state": state, "exit_code": exit_code, "exitCode": exit_code,
            });
            let container = serde_json::from_value(container).expect("a container");
            should_be_up(&container, cause)
        };
        let crash = |exit_code| Some(StopCause::Crash { exit_code, oom: false });
        for (state, exit_code, cause, expected) in [
            (State::Running, 0, None, true),
            (State::Restarting, 1, crash(1), true),
            (State::Created, 0, None, false),
            // `docker run … true`, while Portreeve looked and before.
            (State::Exited, 0, crash(0), false),
            (State::Exited, 0, Some(StopCause::Unseen), false),
            (State::Exited, 0, None, false),
            (State::Exited, 1, crash(1), true),
            (State::Exited, 137, None, true),
            (State::Exited, 137, Some(StopCause::ByHand), false),
            (State::Exited, 0, Some(StopCause::EngineShutdown), true),
            (State::Exited, 0, Some(StopCause::Ours { completed: true }), true),
        ] {
            assert_eq!(of(state, exit_code, cause), expected, "{state} {exit_code} {cause:?}");
        }
    }

    #[test]
    fn an_empty_world_still_has_its_totals() {
        let mut text = String::new();
        totals(&mut Page(&mut text), &[]);
        assert!(text.contains("\nsystem_total_containers 0\n"), "{text}");
        assert!(text.contains("\nportreeve_containers{how=\"quarantined\"} 0\n"), "{text}");
    }
}

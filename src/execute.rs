//! Carrying out what was decided: look again, then one call. Holds no decision.

use crate::docker::{Client, DockerError};
use crate::observed::{Container, Health};
use crate::reconcile::intent::ActionOutcome;
use crate::reconcile::plan::{Action, Cause, Verb};

/// Carries out `action`, whose intent is committed.
///
/// `stopping` tells whether an event is at hand by which somebody else is stopping the container. Between the look
/// and the call something may still happen: the engine has no compare-and-swap, so the window is made small, not
/// closed.
pub async fn execute(client: &Client, action: &Action, stopping: impl Fn() -> bool) -> ActionOutcome {
    let id = &*action.container.id;
    let container = match look_again(client, action).await {
        Ok(container) => container,
        Err(why) => return ActionOutcome::Superseded { why },
    };
    if stopping() {
        return ActionOutcome::Superseded { why: "something else is stopping the container".to_owned() };
    }
    let done = |()| ActionOutcome::Succeeded;
    let result = match (action.verb, container.set_aside_from()) {
        (Verb::Restart { stop_timeout }, _) => client.restart(id, stop_timeout.get()).await.map(done),
        (Verb::Recreate { stop_timeout }, _) => {
            let made = client.recreate(id, stop_timeout.get(), action.parent.as_deref()).await;
            made.map(|by| ActionOutcome::Replaced { by })
        }
        (Verb::Start, Some(name)) => client.bring_back(id, name).await.map(done),
        (Verb::Start, None) => {
            // What left it down may have left a successor half-made.
            match client.discard_successor(&container.name, id).await {
                Ok(()) => client.start(id).await.map(done),
                Err(error) => Err(error),
            }
        }
        (Verb::Stop { stop_timeout }, _) => client.stop(id, stop_timeout.get()).await.map(done),
    };
    match result {
        Ok(outcome) => outcome,
        Err(DockerError::Refused { message, .. }) => ActionOutcome::Failed { error: message },
        // It never heard of it.
        Err(error @ DockerError::Unreachable { sent: false, .. }) => {
            ActionOutcome::Superseded { why: error.to_string() }
        }
        // The engine goes on with a restart whose caller is gone.
        Err(error) => ActionOutcome::Lost { error: error.to_string() },
    }
}

/// The container, if everything is still as it was when the action was decided.
async fn look_again(client: &Client, action: &Action) -> Result<Container, String> {
    let container = match client.inspect(&action.container.id).await {
        Ok(Some((container, _))) => container,
        Ok(None) => return Err("the container no longer exists".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    if container.started != action.started {
        return Err("it was started again meanwhile".to_owned());
    }
    if container.state != action.state {
        return Err(format!("it is now {}", container.state));
    }
    match action.cause {
        Cause::Unhealthy { .. } if container.health != Some(Health::Unhealthy) => {
            Err("its health check no longer says unhealthy".to_owned())
        }
        Cause::NotVerified { .. } if container.health == Some(Health::Healthy) => {
            Err("its health check now says healthy".to_owned())
        }
        Cause::Unhealthy { .. }
        | Cause::Reported { .. }
        | Cause::NotVerified { .. }
        | Cause::ParentRestarted { .. }
        | Cause::ParentReplaced { .. }
        | Cause::DependencyRestarted { .. }
        | Cause::Exited { .. }
        | Cause::LeftDown { .. } => Ok(container),
    }
}

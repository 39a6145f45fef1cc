//! What an attempt does: the policy's action, or the step of its escalation that it has come to.

use crate::resource::autoheal_policy::{AutohealPolicySpec, HealAction};

/// The action of the attempt after `streak` others that did not last; `None`: every step of the escalation was taken.
pub(super) fn action(spec: &AutohealPolicySpec, streak: u32) -> Option<HealAction> {
    if spec.escalation.is_empty() {
        return Some(spec.action);
    }
    spec.escalation.get(usize::try_from(streak).unwrap_or(usize::MAX)).copied()
}

/// Whether another step follows the attempt after `streak` others.
pub(super) fn is_followed(spec: &AutohealPolicySpec, streak: u32) -> bool {
    !spec.escalation.is_empty() && action(spec, streak.saturating_add(1)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escalation_takes_each_step_once_and_an_action_is_repeated() {
        use HealAction::{Recreate, Restart};
        let plain = AutohealPolicySpec { action: Recreate, ..AutohealPolicySpec::default() };
        assert_eq!([0, 1, u32::MAX].map(|streak| action(&plain, streak)), [Some(Recreate); 3]);
        let escalation = vec![Restart, Restart, Recreate];
        let climbing = AutohealPolicySpec { escalation, ..plain };
        assert_eq!(
            [0, 1, 2, 3, u32::MAX].map(|streak| action(&climbing, streak)),
            [Some(Restart), Some(Restart), Some(Recreate), None, None]
        );
        assert_eq!([0, 1, 2].map(|streak| is_followed(&climbing, streak)), [true, true, false]);
    }
}

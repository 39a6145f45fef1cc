//! Which policy a container belongs to, and what its labels change about it.

use super::in_force::Desired;
use crate::observed::Container;
use crate::resource::autoheal_policy::{AutohealPolicySpec, HealAction};
use crate::resource::monitored_service::ServiceAutoheal;
use crate::resource::{Duration, Selector, Subject};

/// Name of the policy that applies when nothing else is said.
pub const DEFAULT_POLICY: &str = "default";
/// The label by which a container asks for healing, or for being left alone.
const LABEL: &str = "autoheal";
const ACTION_LABEL: &str = "autoheal.action";
const STOP_TIMEOUT_LABEL: &str = "autoheal.stop.timeout";
/// The longest stop timeout a label can ask for: a day.
const LONGEST_STOP_SECONDS: u64 = 86_400;

/// What policies say of one container.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyChoice {
    /// It is healed.
    Selected {
        /// The policy it belongs to.
        name: String,
        /// That policy's spec, with what the container's labels change.
        spec: Box<AutohealPolicySpec>,
        /// Labels that could not be followed, for people.
        warnings: Vec<String>,
    },
    /// It would be healed, were it not left out on purpose.
    Excluded {
        /// The policy it would belong to.
        name: String,
        /// What leaves it out, for people.
        why: String,
    },
    /// No policy means it.
    NotSelected {
        /// A label that looks as if one was meant to, for people.
        near_miss: Option<String>,
    },
}

/// The policy `default` when none is declared: the label `autoheal=true`, exactly so.
pub fn builtin_policy() -> AutohealPolicySpec {
    AutohealPolicySpec { selector: Selector::label(LABEL, "true"), ..AutohealPolicySpec::default() }
}

impl Desired {
    /// Which containers the policy `default` heals: in the words of document R4 if it asks for one label.
    pub fn healed_by_default(&self) -> String {
        let selector = self.policies.get(DEFAULT_POLICY).map(|spec| &spec.selector);
        let label = selector.and_then(|selector| selector.labels.first_key_value());
        match (selector, label) {
            (Some(selector), Some((key, value))) if *selector == Selector::label(key, value) => {
                format!("containers with {key}={value} label")
            }
            (Some(selector), _) if *selector == Selector::everything() => "all containers".to_owned(),
            (Some(_) | None, _) => format!("containers that AutohealPolicy/{DEFAULT_POLICY} selects"),
        }
    }

    /// Which policy `container` belongs to: the first by name that selects it; `default` comes last.
    ///
    /// The label `autoheal=false`, in any case, leaves a container out whatever a policy selects. Next a service decides that
    /// the container belongs to.
    pub fn policy_for(&self, container: &Container) -> PolicyChoice {
        let subject = container.subject();
        let found = self.by_precedence().find(|(_, spec)| spec.selector.matches(&subject));
        let opted_out =
            container.labels.get(LABEL).filter(|value| value.trim().eq_ignore_ascii_case("false"));
        if let Some(value) = opted_out {
            return PolicyChoice::Excluded {
                name: found.map_or(DEFAULT_POLICY, |(name, _)| name).to_owned(),
                why: format!("the label {LABEL}={} opts it out", shown(value)),
            };
        }
        let by_service = self.by_service(&subject);
        if let Some((service, ServiceAutoheal { enabled: Some(false), .. })) = by_service {
            return PolicyChoice::Excluded {
                name: found.map_or(DEFAULT_POLICY, |(name, _)| name).to_owned(),
                why: format!("the service {service} says autoheal.enabled: false"),
            };
        }
        let named = by_service.and_then(|(_, autoheal)| autoheal.policy_ref.as_deref());
        let named = named
            .and_then(|name| self.policies.get_key_value(name))
            .map(|(name, spec)| (name.as_str(), spec));
        match named.or(found) {
            None => PolicyChoice::NotSelected { near_miss: self.near_miss(container) },
            Some((name, spec)) if spec.exclude.matches(&subject) => PolicyChoice::Excluded {
                name: name.to_owned(),
                why: format!("the policy {name} excludes it"),
            },
            Some((name, _)) if container.is_swarm_task() => PolicyChoice::Excluded {
                name: name.to_owned(),
                why: "it is a task of a Swarm service, and Swarm itself replaces it".to_owned(),
            },
            Some((name, spec)) => {
                let mut spec = Box::new(spec.clone());
                let warnings = follow_labels(container, &mut spec);
                PolicyChoice::Selected { name: name.to_owned(), spec, warnings }
            }
        }
    }

    /// What services say that `subject` belongs to: that it is left alone before anything else, then the first by name.
    fn by_service(&self, subject: &Subject<'_>) -> Option<(&str, &ServiceAutoheal)> {
        let services = self.selection.services_of(subject);
        let says = || {
            let of_it = services.iter().filter_map(|name| self.services.get_key_value(&**name));
            of_it.filter_map(|(name, service)| Some((name.as_str(), service.spec.autoheal.as_ref()?)))
        };
        says().find(|(_, autoheal)| autoheal.enabled == Some(false)).or_else(|| says().next())
    }

    fn by_precedence(&self) -> impl Iterator<Item = (&str, &AutohealPolicySpec)> {
        let named = self.policies.iter().filter(|(name, _)| *name != DEFAULT_POLICY);
        let default = self.policies.get_key_value(DEFAULT_POLICY);
        named.chain(default).map(|(name, spec)| (name.as_str(), spec))
    }

    /// A label of the container that differs from a wanted one only in case, blanks or another word for `true`.
    fn near_miss(&self, container: &Container) -> Option<String> {
        let wanted = self.by_precedence().flat_map(|(name, spec)| {
            spec.selector.labels.iter().map(move |(key, value)| (name, key.as_str(), value.as_str()))
        });
        for (policy, key, value) in wanted {
            for (found_key, found_value) in &container.labels {
                let exact = found_key == key && (found_value == value || value == "*");
                let alike = found_key.trim().eq_ignore_ascii_case(key) && alike(found_value.trim(), value);
                if alike && !exact {
                    return Some(format!(
                        "label {}={} is not {key}={value}, which the policy {policy} asks for",
                        shown(found_key),
                        shown(found_value),
                    ));
                }
            }
        }
        None
    }
}

fn alike(found: &str, wanted: &str) -> bool {
    let yes = wanted == "true" && ["1", "yes", "on"].iter().any(|word| found.eq_ignore_ascii_case(word));
    wanted == "*" || found.eq_ignore_ascii_case(wanted) || yes
}

/// Changes `spec` as the container's labels ask; says which could not be followed.
fn follow_labels(container: &Container, spec: &mut AutohealPolicySpec) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(value) = container.labels.get(ACTION_LABEL) {
        match value.trim() {
            "restart" => act(spec, HealAction::Restart),
            "recreate" => act(spec, HealAction::Recreate),
            "stop" => act(spec, HealAction::Stop),
            "notify" => act(spec, HealAction::Notify),
            "none" => act(spec, HealAction::None),
            _ => warnings.push(format!(
                "label {ACTION_LABEL}={} is ignored: it must be restart, recreate, stop, notify or none",
                shown(value)
            )),
        }
    }
    if let Some(value) = container.labels.get(STOP_TIMEOUT_LABEL) {
        match value.trim().parse::<u64>() {
            Ok(seconds) if seconds <= LONGEST_STOP_SECONDS => {
                spec.stop_timeout = Some(Duration::from_secs(seconds));
            }
            _ => warnings.push(format!(
                "label {STOP_TIMEOUT_LABEL}={} is ignored: it must be a number of seconds up to {LONGEST_STOP_SECONDS}",
                shown(value)
            )),
        }
    }
    warnings
}

/// The label's word stands for each attempt, so that an escalation does not go beyond it.
fn act(spec: &mut AutohealPolicySpec, action: HealAction) {
    spec.action = action;
    spec.escalation.clear();
}

/// A label's text as it may be shown: it comes from strangers, so it is cut and escaped.
fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;

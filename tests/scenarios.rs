//! Golden scenarios: `tests/scenarios/<name>/{desired.yaml, observed.yaml, memory.yaml?}` → `plan.txt`.
//!
//! The name of a scenario is the sentence it shows. Times are written as seen from now (`-1h30m`, `+5s`). `UPDATE_GOLDEN=1`
//! rewrites the plans; read the difference before committing it.

mod input;

use std::fs;
use std::path::{Path, PathBuf};

use input::{Desired, Memory, NOW, Observed, SEED};
use portreeve::observed::{Health, Nanos, State};
use portreeve::reconcile::cause::{StopHabits, StopMarks};
use portreeve::reconcile::heal::{HealMemory, Healing, PolicyGroup, PolicyView, Related, Situation, decide};
use portreeve::reconcile::plan::DecidedPlan;
use portreeve::resource::Duration;
use serde::de::DeserializeOwned;

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_yaml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn scenarios() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut found: Vec<PathBuf> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

struct Scenario {
    desired: Desired,
    observed: Observed,
    memory: HealMemory,
    marks: StopMarks,
}

impl Scenario {
    fn read(directory: &Path) -> Result<Self, String> {
        let desired: Desired = read(&directory.join("desired.yaml"))?;
        let observed: Observed = read(&directory.join("observed.yaml"))?;
        let memory = directory.join("memory.yaml");
        let memory = if memory.exists() {
            read::<Memory>(&memory)?.on(&observed.container())
        } else {
            HealMemory::default()
        };
        let mut marks = StopMarks::default();
        let habits = StopHabits::of(&observed.container());
        for fact in &observed.facts {
            marks.feed(&fact.seen()?, habits);
        }
        Ok(Self { desired, observed, memory, marks })
    }

    /// The others of the policy on the engine, decided on before: as they are, each with its own restart behind it.
    fn group(&self) -> PolicyGroup {
        let (mut group, others) = (PolicyGroup::default(), &self.observed.others);
        let hour = Duration::from_secs(3600);
        let healthy = (0..others.healthy + others.unhealthy).map(|number| (number, Health::Healthy, hour));
        let sick = (0..others.unhealthy).map(|number| (number, Health::Unhealthy, others.since));
        for (number, health, since) in healthy.chain(sick) {
            let mut container = self.observed.container();
            container.key.id = format!("{number:064}").into();
            (container.state, container.health, container.started) =
                (State::Running, Some(health), Some(Nanos(0)));
            let situation = Situation {
                container: &container,
                related: &Related::default(),
                probe_verdict: None,
                policy: PolicyView::Selected { name: "web", spec: &self.desired.spec },
                memory: &HealMemory::default(),
                marks: &StopMarks::default(),
                engine_connected: true,
                registered: false,
                own_fault: None,
                is_own: false,
                observe: false,
                read_only: false,
                suspended: None,
                now: Nanos(NOW.0 - since.as_nanos()),
                seed: SEED,
            };
            decide(&situation, &mut group);
        }
        group
    }

    fn decide(&self, memory: &HealMemory, group: &mut PolicyGroup) -> Healing {
        let Desired { spec, observe, read_only, suspended, excluded, not_selected } = &self.desired;
        let policy = match excluded {
            Some(by) => PolicyView::Excluded { by },
            None if *not_selected => PolicyView::NotSelected,
            None => PolicyView::Selected { name: "web", spec },
        };
        let situation = Situation {
            container: &self.observed.container(),
            related: &self.observed.related(),
            probe_verdict: self.observed.probe_verdict(),
            policy,
            memory,
            marks: &self.marks,
            engine_connected: !self.observed.disconnected,
            registered: self.observed.registered,
            own_fault: self.observed.own_fault.as_deref(),
            is_own: self.observed.own,
            observe: *observe,
            read_only: *read_only,
            suspended: suspended.as_deref(),
            now: NOW,
            seed: SEED,
        };
        decide(&situation, group)
    }
}

/// What must hold of every decision, whatever it is.
fn lint(scenario: &Scenario, healing: &Healing, group: &mut PolicyGroup) -> Result<(), String> {
    let text = serde_json::to_string(&healing.memory).map_err(|error| error.to_string())?;
    let back: HealMemory = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    // An intent is stored for itself.
    let intent = healing.memory.intent.as_ref().map(serde_json::to_string).transpose();
    let intent = intent.and_then(|intent| intent.as_deref().map(serde_json::from_str).transpose());
    let back = HealMemory { intent: intent.map_err(|error| error.to_string())?, ..back };
    if back != healing.memory {
        return Err(format!("memory changed when stored: {text}"));
    }
    let before = group.clone();
    let again = scenario.decide(&back, group);
    if again.action.is_some() || !again.notes.is_empty() {
        return Err(format!("decided again with nothing changed:\n{}", again.plan().render(NOW)));
    }
    if again.memory != back || *group != before {
        return Err(format!("memory does not settle: {:?} {group:?}", again.memory));
    }
    if healing.requeue_at.is_some_and(|at| at <= NOW) {
        return Err("asks to decide again at once".to_owned());
    }
    Ok(())
}

#[test]
fn every_scenario_comes_to_its_plan() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut failures = Vec::new();
    let all = scenarios();
    assert!(all.len() >= 25, "found {} scenarios", all.len());
    for directory in all {
        let name = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let outcome = Scenario::read(&directory).and_then(|scenario| {
            let mut group = scenario.group();
            let healing = scenario.decide(&scenario.memory, &mut group);
            lint(&scenario, &healing, &mut group)?;
            let heard = scenario.observed.heard();
            if heard.again != (heard.container.health, None) {
                return Err(format!("heard again with nothing changed: {:?}", heard.again));
            }
            if heard.look.is_some_and(|at| at <= NOW) {
                return Err("asks to look again at once".to_owned());
            }
            let mut plan = DecidedPlan { notes: heard.note.into_iter().collect(), ..DecidedPlan::default() };
            plan.join(healing.plan());
            let mut text = plan.render(NOW);
            if let Some(at) = heard.look {
                text.push_str(&format!(
                    "look +{}\n",
                    Duration::from_millis(at.since(NOW).unsigned_abs() / 1_000_000)
                ));
            }
            Ok(text)
        });
        let plan = directory.join("plan.txt");
        match outcome {
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok(text) if update => {
                if let Err(error) = fs::write(&plan, text) {
                    failures.push(format!("{name}: {error}"));
                }
            }
            Ok(text) => {
                let golden = fs::read_to_string(&plan).unwrap_or_default();
                if text != golden {
                    failures.push(format!("{name}\n--- plan.txt\n{golden}--- decided\n{text}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} scenarios differ:\n\n{}", failures.len(), failures.join("\n\n"));
}

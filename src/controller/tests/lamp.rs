//! A reconciler as one would add it, by "How to add a reconciler" and nothing else: a lamp that is declared on burns until its
//! time is over. One that is told to explode does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::controller::commit::Journal;
use crate::controller::parts::Parts;
use crate::controller::plan::{Line, Plan};
use crate::controller::reconcile::{Reconcile, Trouble};
use crate::controller::work::Work;
use crate::locked::locked;
use crate::observed::{Nanos, Shard};

/// What is declared, by lamp: until when it burns.
pub(in crate::controller) static WANTED: Mutex<BTreeMap<Arc<str>, Nanos>> = Mutex::new(BTreeMap::new());
/// Whether each lamp burnt, as committed, one after the other.
pub(in crate::controller) static BURNT: Mutex<BTreeMap<Arc<str>, Vec<bool>>> = Mutex::new(BTreeMap::new());

pub(in crate::controller) struct Reconciler;

/// Whether a lamp burns, and when that is to be decided again. Pure.
fn decide(until: Option<Nanos>, now: Nanos) -> (bool, Option<Nanos>) {
    let burns = until.filter(|until| now < *until);
    (burns.is_some(), burns)
}

impl Reconcile for Reconciler {
    type Id = Arc<str>;

    fn new(_: &Arc<Parts>, _: &Journal) -> Self {
        Self
    }

    async fn plan(&self, name: &Arc<str>, _: &Work) -> Result<Plan, Trouble> {
        let until = locked(&WANTED).get(name).copied();
        assert_ne!(until, Some(Nanos(-1)), "{name} explodes");
        let (burns, requeue_at) = decide(until, crate::clock::now());
        let mut plan = Plan { requeue_at, ..Plan::of(Shard::Fleet) };
        let was = locked(&BURNT).get(name).and_then(|burnt| burnt.last().copied()).unwrap_or(false);
        if burns != was {
            let name = name.clone();
            plan.lines.push(Line::Info(format!("{name} {}", if burns { "burns" } else { "is out" })));
            plan.changes.services.push((name.to_string(), Some(format!("{{\"burns\": {burns}}}"))));
            plan.keep.push(Box::new(move |_| locked(&BURNT).entry(name).or_default().push(burns)));
        }
        Ok(plan)
    }
}

//! One object at a time, judged against what lies below it: what an API call sees before everything is ranked anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{condition, rank};
use crate::resource::condition::Condition;
use crate::resource::secret::policy::SecretPolicy;
use crate::resource::{Object, ObjectKey, Spec};

/// What lies below an object written by the API, and above it.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Objects made from environment variables.
    pub environment: Arc<[Object]>,
    /// The flag `--observe`.
    pub observe: bool,
    /// What objects of the API may name.
    pub secrets: SecretPolicy,
}

impl Layers {
    /// `object` as it will be in force: for `Settings`, what it leaves out comes from the environment.
    pub fn in_force(&self, object: Object) -> Object {
        let below = self.environment.iter().find(|below| below.key() == object.key());
        let mut object = match below {
            Some(below) => rank::merged(object, below),
            None => object,
        };
        if let Spec::Settings(settings) = &mut object.spec {
            settings.observe |= self.observe;
        }
        object
    }

    /// `object`, and of `Settings` the fields that it leaves out as the API wrote them.
    pub fn over(object: Object, below: Option<&Object>) -> Object {
        match below {
            Some(below) => rank::merged(object, below),
            None => object,
        }
    }

    /// The conditions of a valid object among those `known`, and what somebody should look at: references of it that lead
    /// nowhere, or that nothing acts on it.
    pub fn judge(
        &self,
        object: &Object,
        known: &BTreeMap<ObjectKey, Arc<Object>>,
    ) -> (Vec<Condition>, Vec<String>) {
        condition::of_one(object, known, &self.secrets)
    }
}

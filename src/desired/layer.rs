//! One object at a time, judged against what lies below it: what an API call sees before everything is ranked anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Sources, condition, rank};
use crate::resource::condition::Condition;
use crate::resource::secret::policy::SecretPolicy;
use crate::resource::{KindId, Object, ObjectKey, Spec};

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

    /// What is in force under this name once the API does not declare it any more, if something is.
    pub fn below(&self, key: &ObjectKey) -> Option<Object> {
        let sources = Sources { environment: &self.environment, observe: self.observe, ..Sources::default() };
        let lasting = matches!(key.kind, KindId::AutohealPolicy | KindId::Settings);
        rank::ranked(sources).into_iter().find(|object| lasting && object.key() == *key)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::builtin_policy;
    use crate::resource::Origin;

    #[test]
    fn below_what_the_api_declares_is_what_the_environment_says_and_then_what_is_built_in() {
        let key = |kind: KindId, name: &str| ObjectKey { kind, name: name.to_owned() };
        let policy = Object::new("default", Origin::Environment, builtin_policy());
        let layers = Layers { environment: vec![policy].into(), ..Layers::default() };
        let origin = |layers: &Layers, kind, name| {
            layers.below(&key(kind, name)).map(|object| object.origin().to_string())
        };
        assert_eq!(origin(&layers, KindId::AutohealPolicy, "default").as_deref(), Some("environment"));
        assert_eq!(
            origin(&Layers::default(), KindId::AutohealPolicy, "default").as_deref(),
            Some("built-in")
        );
        assert_eq!(origin(&layers, KindId::Settings, "portreeve").as_deref(), Some("built-in"));
        assert_eq!(origin(&layers, KindId::AutohealPolicy, "other"), None);
        // Another engine that is declared would take its place.
        assert_eq!(origin(&layers, KindId::DockerHost, "local"), None);
    }
}

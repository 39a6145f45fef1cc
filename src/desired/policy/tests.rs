use super::*;

fn container(labels: &[(&str, &str)]) -> Container {
    let labels: serde_json::Map<String, serde_json::Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    serde_json::from_value(serde_json::json!({
        "key": {"engine": "local", "id": "a".repeat(64)},
        "name": "web-1", "image": "nginx", "state": "running", "created": 0, "labels": labels,
    }))
    .expect("a container")
}

fn desired(policies: &[(&str, AutohealPolicySpec)]) -> Desired {
    let mut desired = Desired::default();
    desired.policies.extend(policies.iter().map(|(name, spec)| ((*name).to_owned(), spec.clone())));
    desired
}

fn selecting(selector: Selector) -> AutohealPolicySpec {
    AutohealPolicySpec { selector, ..AutohealPolicySpec::default() }
}

/// The choice in a word: the policy, `-policy` where excluded, `?` for a near miss.
fn choice(desired: &Desired, labels: &[(&str, &str)]) -> String {
    match desired.policy_for(&container(labels)) {
        PolicyChoice::Selected { name, .. } => name,
        PolicyChoice::Excluded { name, .. } => format!("-{name}"),
        PolicyChoice::NotSelected { near_miss: Some(_) } => "?".to_owned(),
        PolicyChoice::NotSelected { near_miss: None } => String::new(),
    }
}

#[test]
fn the_built_in_policy_asks_for_one_label_exactly() {
    let desired = Desired::default();
    for (key, value, expected) in [
        ("autoheal", "true", "default"),
        ("autoheal", "True", "?"),
        ("Autoheal", "true", "?"),
        ("autoheal", " true", "?"),
        ("autoheal", "yes", "?"),
        ("autoheal", "1", "?"),
        ("autoheal", "false", "-default"),
        ("autoheal", "False", "-default"),
        ("autoheal", "FALSE ", "-default"),
        ("autoheal", "maybe", ""),
        ("autohealing", "true", ""),
        ("other", "true", ""),
    ] {
        assert_eq!(choice(&desired, &[(key, value)]), expected, "{key}={value}");
    }
    let PolicyChoice::NotSelected { near_miss: Some(text) } =
        desired.policy_for(&container(&[("Autoheal", "TRUE\n")]))
    else {
        panic!("not a near miss")
    };
    assert_eq!(text, "label Autoheal=TRUE\\n is not autoheal=true, which the policy default asks for");
}

#[test]
fn policies_are_asked_by_name_and_default_comes_last() {
    let everything = selecting(Selector::everything());
    let labelled = selecting(Selector::label("tier", "web"));
    let desired = desired(&[("zeta", labelled.clone()), ("alpha", labelled), ("default", everything)]);
    assert_eq!(choice(&desired, &[("tier", "web")]), "alpha");
    assert_eq!(choice(&desired, &[]), "default");
    assert_eq!(choice(&desired, &[("autoheal", "fAlSe")]), "-default");
    assert_eq!(choice(&desired, &[("tier", "web"), ("autoheal", "false")]), "-alpha");
}

#[test]
fn an_excluded_container_is_left_alone_and_not_passed_on() {
    let policy = AutohealPolicySpec {
        exclude: Selector { names: vec!["web-*".to_owned()], ..Selector::default() },
        ..selecting(Selector::everything())
    };
    let desired = desired(&[("all", policy)]);
    let chosen = desired.policy_for(&container(&[("autoheal", "true")]));
    let why = "the policy all excludes it".to_owned();
    assert_eq!(chosen, PolicyChoice::Excluded { name: "all".to_owned(), why });
}

#[test]
fn labels_change_the_action_and_the_stop_timeout() {
    let with = |action: &str, timeout: &str| {
        let labels = [("autoheal", "true"), (ACTION_LABEL, action), (STOP_TIMEOUT_LABEL, timeout)];
        let mut policy = builtin_policy();
        policy.escalation = vec![HealAction::Restart, HealAction::Recreate];
        match desired(&[("default", policy)]).policy_for(&container(&labels)) {
            PolicyChoice::Selected { spec, warnings, .. } => (spec, warnings),
            other => panic!("not selected: {other:?}"),
        }
    };
    for (word, action) in [
        ("restart", HealAction::Restart),
        ("recreate", HealAction::Recreate),
        ("stop", HealAction::Stop),
        ("notify", HealAction::Notify),
        ("none", HealAction::None),
    ] {
        let (spec, warnings) = with(word, "30");
        assert_eq!((spec.action, spec.escalation.len()), (action, 0));
        assert_eq!(spec.stop_timeout, Some(Duration::from_secs(30)));
        assert_eq!(warnings, Vec::<String>::new());
    }
    for timeout in ["-1", "10s", "", "99999999999999999999", "86401"] {
        let (spec, warnings) = with("rebuild", timeout);
        assert_eq!((spec.action, spec.escalation.len(), spec.stop_timeout), (HealAction::Restart, 2, None));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
    let (_, warnings) = with(&"\u{1b}[31m".repeat(100), "1");
    assert!(warnings[0].len() < 700 && !warnings[0].contains('\u{1b}'), "{warnings:?}");
}

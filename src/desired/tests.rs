use super::*;
use crate::manifest::parse;
use crate::resource::{Origin, Selector};

const SETTINGS: &str =
    "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve}\nspec: {resync: 5m}\n";

fn declared(text: &str) -> LoadedSet {
    let parsed = parse("conf/a.yaml", text.as_bytes());
    LoadedSet { objects: parsed.objects, problems: parsed.problems }
}

fn environment(pairs: &[(&str, &str)]) -> Vec<Object> {
    let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    crate::config::Environment::read(&variables.collect()).expect("usable variables").objects
}

/// `Kind/name origin` of everything in force.
fn in_force(desired: &Desired) -> Vec<String> {
    desired.objects.iter().map(|object| format!("{} {}", object.key(), object.origin())).collect()
}

#[test]
fn with_nothing_declared_the_local_engine_is_watched_and_the_built_in_policy_applies() {
    let desired = Desired::default();
    assert_eq!(desired.settings, SettingsSpec::default());
    assert_eq!(desired.hosts.keys().collect::<Vec<_>>(), [LOCAL_HOST]);
    assert_eq!(desired.policies[DEFAULT_POLICY].selector, Selector::label("autoheal", "true"));
    assert!(desired.registries.is_empty() && desired.billing.is_empty() && desired.problems.is_empty());
    assert_eq!(
        in_force(&desired),
        ["AutohealPolicy/default built-in", "DockerHost/local built-in", "Settings/portreeve built-in"]
    );
}

#[test]
fn a_directory_wins_over_the_api_and_the_environment_and_what_is_built_in() {
    let set = declared(
        "apiVersion: portreeve/v1\nkind: DiscoveryRegistry\nmetadata: {name: discovery}\nspec: {url: http://yaml}\n",
    );
    let spec = |url: &str| DiscoveryRegistrySpec { url: url.to_owned(), ..set_spec(&set) };
    let api = [
        Object::new("discovery", Origin::Api, spec("http://api")),
        Object::new("second", Origin::Api, spec("http://api")),
    ];
    let environment =
        environment(&[("DISCOVERY_SERVICE_URL", "http://env"), ("BILLING_SERVICE_URL", "http://env")]);
    let all = Sources { directory: Some(&set), api: &api, environment: &environment, observe: false };
    let urls = |sources| {
        let desired = Desired::of(sources);
        desired.registries.into_iter().map(|(name, spec)| format!("{name} {}", spec.url)).collect::<Vec<_>>()
    };
    assert_eq!(urls(all), ["discovery http://yaml", "second http://api"]);
    assert_eq!(urls(Sources { directory: None, ..all }), ["discovery http://api", "second http://api"]);
    assert_eq!(urls(Sources { environment: &environment, ..Sources::default() }), ["discovery http://env"]);
    assert_eq!(Desired::of(all).billing["billing"].url, "http://env");
}

fn set_spec(set: &LoadedSet) -> DiscoveryRegistrySpec {
    match &set.objects[0].object.spec {
        Spec::DiscoveryRegistry(spec) => (**spec).clone(),
        other => panic!("not a registry: {other:?}"),
    }
}

#[test]
fn settings_are_merged_field_by_field() {
    let environment = environment(&[("HEALTH_INTERVAL_SECONDS", "30"), ("CRITICAL_CPU_THRESHOLD", "70")]);
    let set = declared(SETTINGS);
    let desired =
        Desired::of(Sources { directory: Some(&set), environment: &environment, ..Sources::default() });
    assert_eq!(desired.settings.resync.to_string(), "5m");
    assert_eq!(desired.settings.critical_cpu, 70);
    assert_eq!(desired.settings.critical_memory, SettingsSpec::default().critical_memory);
    assert_eq!(in_force(&desired)[2], "Settings/portreeve directory:conf/a.yaml");
    // A default that is written out counts as given.
    let set = declared(&SETTINGS.replace("resync: 5m", "criticalCpu: 90"));
    let desired =
        Desired::of(Sources { directory: Some(&set), environment: &environment, ..Sources::default() });
    assert_eq!((desired.settings.critical_cpu, desired.settings.resync.to_string()), (90, "30s".to_owned()));
}

#[test]
fn the_observe_flag_holds_whatever_settings_say() {
    let set = declared(&SETTINGS.replace("resync: 5m", "observe: false"));
    let sources = Sources { directory: Some(&set), observe: true, ..Sources::default() };
    assert!(Desired::of(sources).settings.observe);
    assert!(!Desired::of(Sources { observe: false, ..sources }).settings.observe);
}

#[test]
fn the_engine_of_the_environment_is_watched_only_if_none_is_declared() {
    let environment = environment(&[("DOCKER_HOST", "tcp://env:1")]);
    let set = declared("apiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {name: big}\nspec: {}\n");
    let hosts = |sources| Desired::of(sources).hosts.into_keys().collect::<Vec<_>>();
    let sources = Sources { environment: &environment, ..Sources::default() };
    assert_eq!(hosts(sources), ["local"]);
    assert_eq!(hosts(Sources { directory: Some(&set), ..sources }), ["big"]);
}

#[test]
fn a_reference_to_nothing_is_a_problem_with_its_place_and_a_condition() {
    let set = declared(
        "apiVersion: portreeve/v1\nkind: AutohealPolicy\nmetadata: {name: p}\nspec:\n  selector: {hosts: [locla]}\n",
    );
    let desired = Desired::of(Sources { directory: Some(&set), ..Sources::default() });
    let expected = "\
error: spec.selector.hosts[0]: there is no DockerHost named `locla`; did you mean `local`?
 --> conf/a.yaml:5:22
  |
5 |   selector: {hosts: [locla]}
  |                      ^^^^^";
    assert_eq!(desired.problems.iter().map(|problem| &problem.rendered).collect::<Vec<_>>(), [expected]);
    let conditions = &desired.objects[1].status.conditions;
    assert_eq!(
        conditions.iter().map(|c| (&*c.kind, &*c.reason)).collect::<Vec<_>>(),
        [("Accepted", "Valid"), ("ReferencesResolved", "NotFound")]
    );
}

#[test]
fn what_a_bad_file_said_last_stays_in_force_and_says_so() {
    let mut set = declared(SETTINGS);
    set.objects[0].held = true;
    let desired = Desired::of(Sources { directory: Some(&set), ..Sources::default() });
    assert_eq!(desired.settings.resync.to_string(), "5m");
    assert_eq!(desired.objects[2].status.conditions[0].reason, "LastGoodInForce");
}

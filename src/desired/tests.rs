use super::*;
use crate::manifest::{Held, Loaded, LoadedSet, parse};
use crate::resource::autoheal_policy::AutohealPolicySpec;
use crate::resource::discovery_registry::DiscoveryRegistrySpec;
use crate::resource::{Origin, Selector};

const SETTINGS: &str =
    "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve}\nspec: {resync: 5m}\n";

fn declared(text: &str) -> LoadedSet {
    let parsed = parse("conf/a.yaml", text.as_bytes());
    LoadedSet { objects: parsed.objects, problems: parsed.problems, ..LoadedSet::default() }
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
    let all = Sources { directory: Some(&set), api: &api, environment: &environment, ..Sources::default() };
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
        [("Accepted", "Valid"), ("ReferencesResolved", "ReferenceNotFound")]
    );
}

#[test]
fn what_a_bad_file_said_last_stays_in_force_and_says_so() {
    let mut set = declared(SETTINGS);
    set.objects[0].held = Some(Held::Unreadable);
    let desired = Desired::of(Sources { directory: Some(&set), ..Sources::default() });
    assert_eq!(desired.settings.resync.to_string(), "5m");
    assert_eq!(desired.objects[2].status.conditions[0].reason, "LastGoodInForce");
}

fn from_directory(text: &str) -> Desired {
    let set = declared(text);
    assert_eq!(set.problems, []);
    Desired::of(Sources { directory: Some(&set), ..Sources::default() })
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: portreeve/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// `type=status/reason` of the object with this key.
fn conditions(desired: &Desired, key: &str) -> Vec<String> {
    let object = desired.objects.iter().find(|object| object.key().to_string() == key).expect(key);
    let text = |c: &crate::resource::condition::Condition| format!("{}={:?}/{}", c.kind, c.status, c.reason);
    object.status.conditions.iter().map(text).collect()
}

#[test]
fn references_of_every_kind_are_resolved_and_near_names_offered() {
    let text = document("Probe", "port", "{tcpSocket: {port: 80}}")
        + &document("NotificationSink", "ops", "{log: {}}")
        + &document("DiscoveryRegistry", "main", "{url: 'http://a'}")
        + &document("MonitoredService", "db", "{target: {host: db, port: 5432}}")
        + &document(
            "MonitoredService",
            "web",
            "{selector: {all: true}, probes: [{probeRef: port}, {name: own, icmp: {}}], dependsOn: [db],
  autoheal: {policyRef: default}, discovery: {registryRef: main}, notify: [{sinkRef: ops}]}",
        );
    let desired = from_directory(&text);
    assert_eq!(lines(&desired.problems), Vec::<String>::new());
    let said = "conf/a.yaml:9:18: nothing acts on the kind NotificationSink yet: no message is sent";
    let idle = "conf/a.yaml:24:18: spec.notify has no effect yet: no message is sent";
    assert_eq!(lines(&desired.warnings), [said, idle]);
    let web = &desired.services["web"];
    assert_eq!(web.probes.keys().collect::<Vec<_>>(), ["own", "port"]);
    assert_eq!(web.probes["port"], desired.probes["port"]);
    assert_eq!(web.depends_on, ["db"]);
    assert_eq!(
        conditions(&desired, "MonitoredService/web"),
        ["Accepted=True/Valid", "ReferencesResolved=True/Resolved"]
    );
    assert_eq!(conditions(&desired, "Probe/port"), ["Accepted=True/Valid"]);
    assert_eq!(conditions(&desired, "DiscoveryRegistry/main"), ["Accepted=True/Valid"]);

    let wrong = text
        .replace("probeRef: port", "probeRef: prot")
        .replace("[db]", "[dbb]")
        .replace("policyRef: default", "policyRef: defualt")
        .replace("registryRef: main", "registryRef: mian")
        .replace("sinkRef: ops", "sinkRef: op");
    let desired = from_directory(&wrong);
    assert_eq!(
        lines(&desired.problems),
        [
            "conf/a.yaml:25:51: spec.probes[0].probeRef: there is no Probe named `prot`; did you mean `port`?",
            "conf/a.yaml:25:94: spec.dependsOn[0]: there is no MonitoredService named `dbb`; did you mean `db`?",
            "conf/a.yaml:26:25: spec.autoheal.policyRef: there is no AutohealPolicy named `defualt`; did you mean `default`?",
            "conf/a.yaml:26:60: spec.discovery.registryRef: there is no DiscoveryRegistry named `mian`; did you mean `main`?",
            "conf/a.yaml:26:86: spec.notify[0].sinkRef: there is no NotificationSink named `op`; did you mean `ops`?",
        ]
    );
    let web = &desired.services["web"];
    assert_eq!((web.probes.len(), web.depends_on.len()), (1, 0));
    assert_eq!(conditions(&desired, "MonitoredService/web")[1], "ReferencesResolved=False/ReferenceNotFound");
}

#[test]
fn services_that_depend_on_each_other_in_a_circle_are_refused_and_stay_watched() {
    let service = |name: &str, needs: &str| {
        document("MonitoredService", name, &format!("{{selector: {{all: true}}, dependsOn: [{needs}]}}"))
    };
    let desired =
        from_directory(&(service("a", "b") + &service("b", "c") + &service("c", "a, d") + &service("d", "")));
    assert_eq!(
        lines(&desired.problems),
        ["conf/a.yaml:5:43: spec.dependsOn: a service cannot depend on itself: a → b → c → a"]
    );
    assert_eq!(conditions(&desired, "MonitoredService/b")[0], "Accepted=False/DependencyCycle");
    assert_eq!(conditions(&desired, "MonitoredService/d")[0], "Accepted=True/Valid");
    let needs: Vec<_> = desired.services.values().map(|service| service.depends_on.join(" ")).collect();
    assert_eq!(needs, ["", "", "d", ""]);
}

#[test]
fn what_can_have_no_effect_is_a_warning_and_not_an_error() {
    let text = document("Silence", "s", "{selector: {}, endsAt: 2030-01-01T00:00:00Z}")
        + &document("AutohealPolicy", "p", "{}")
        + &document("AutohealPolicy", "q", "{}")
        + &document("NotificationSink", "n", "{log: {}}")
        + &document(
            "MonitoredService",
            "m",
            "{selector: {compose: {project: a}, labels: {com.docker.compose.project: b}}, autoheal: {policyRef: q}}",
        );
    let desired = from_directory(&text);
    assert_eq!(lines(&desired.problems), Vec::<String>::new());
    assert_eq!(
        lines(&desired.warnings),
        [
            "conf/a.yaml:4:18: it has no effect: this version sends no notifications; only `suppress: [healing]` has an effect",
            "conf/a.yaml:5:8: spec.selector: an empty selector matches nothing; `all: true` matches everything",
            "conf/a.yaml:9:18: selects no container, and no MonitoredService refers to it",
            "conf/a.yaml:19:18: selects no container, and nothing refers to it: it gets no events",
            "conf/a.yaml:19:18: nothing acts on the kind NotificationSink yet: no message is sent",
            "conf/a.yaml:25:8: spec.selector: nothing matches: compose.project asks for \"a\", the label \
             com.docker.compose.project for \"b\"",
        ]
    );
    assert!(desired.warnings[1].rendered.starts_with("warning: "), "{}", desired.warnings[0].rendered);
    let silence = desired.objects.iter().find(|object| object.metadata.name == "s").expect("an object");
    assert!(silence.status.conditions[0].message.contains("matches nothing"));
}

#[test]
fn a_bare_connection_to_mysql_is_hinted_at_its_own_probe() {
    let text = document("Probe", "p", "{tcpSocket: {port: 3306}}")
        + &document("Probe", "q", "{tcpSocket: {port: 3307}}")
        + &document("MonitoredService", "m", "{target: {host: db.test, port: 3306}}")
        + &document(
            "MonitoredService",
            "n",
            "{target: {host: db.test, port: 3306}, probes: [{name: q, mysql: {}}]}",
        );
    let desired = from_directory(&text);
    assert_eq!(lines(&desired.problems), Vec::<String>::new());
    let hint = "is MySQL's: each check tries a login that is refused, because the server blocks clients that only \
        connect; `mysql: {}` checks whether MySQL works";
    assert_eq!(
        lines(&desired.warnings),
        [
            format!("conf/a.yaml:5:26: spec.tcpSocket.port: {hint}"),
            format!("conf/a.yaml:15:38: spec.target.port: {hint}"),
        ]
    );
}

#[test]
fn what_is_suspended_says_what_that_means_and_has_no_effect() {
    let suspended = |kind: &str, name: &str, spec: &str| {
        document(kind, name, spec).replace(
            &format!("{{name: {name}}}"),
            &format!("{{name: {name}, annotations: {{portreeve/suspend: \"true\"}}}}"),
        )
    };
    let text = suspended("Probe", "port", "{tcpSocket: {port: 80}}")
        + &suspended("NotificationSink", "ops", "{log: {}}")
        + &suspended("AutohealPolicy", "web", "{selector: {names: [web]}}")
        + &suspended("BillingService", "bill", "{url: 'http://a'}")
        + &suspended("MonitoredService", "down", "{selector: {all: true}, probes: [{name: own, icmp: {}}]}")
        + &document(
            "MonitoredService",
            "up",
            "{selector: {all: true}, probes: [{probeRef: port}, {name: own, icmp: {}}], notify: [{sinkRef: ops}]}",
        );
    let desired = from_directory(&text);
    assert_eq!(lines(&desired.problems), Vec::<String>::new());
    // What refers to it finds it, and does not use it.
    assert!(desired.probes.is_empty() && desired.sinks.is_empty());
    assert_eq!(desired.services["up"].probes.keys().collect::<Vec<_>>(), ["own"]);
    assert!(desired.services["down"].suspended && !desired.services["up"].suspended);
    // What is gone is another thing than what is suspended.
    assert!(desired.policies.contains_key("web") && desired.billing.contains_key("bill"));
    assert!(desired.is_suspended(KindId::BillingService, "bill"));
    assert!(!desired.is_suspended(KindId::BillingService, "web"));
    assert_eq!(desired.healing_suspended("local", "web").as_deref(), Some("AutohealPolicy/web is suspended"));
    assert_eq!(desired.healing_suspended("local", "default"), None);
    assert_eq!(
        conditions(&desired, "BillingService/bill"),
        ["Accepted=True/Valid", "Suspended=True/Annotation"]
    );
    let bill = desired.objects.iter().find(|object| object.metadata.name == "bill").expect("an object");
    assert_eq!(
        bill.status.conditions[1].message,
        "nothing is sent to it; events are kept and sent later, until its annotation portreeve/suspend is removed"
    );
}

#[test]
fn settings_cannot_be_suspended() {
    let set = parse(
        "a.yaml",
        SETTINGS
            .replace("name: portreeve", "name: portreeve, annotations: {portreeve/suspend: 'true'}")
            .as_bytes(),
    );
    assert_eq!(
        lines(&set.problems),
        [
            "a.yaml:3:62: metadata.annotations[\"portreeve/suspend\"]: Settings cannot be suspended; with `observe: true` \
            Portreeve decides everything and does nothing"
        ]
    );
}

#[test]
fn of_a_file_with_an_error_what_it_names_now_is_told_and_once() {
    let service = |needs: &str, more: &str| {
        document(
            "MonitoredService",
            "web",
            &format!("{{selector: {{all: true}}, dependsOn: [{needs}]{more}}}"),
        )
    };
    let good = parse("conf/a.yaml", service("nope", "").as_bytes());
    let faulty = parse("conf/a.yaml", service("nowhere", ", minHealthy: many").as_bytes());
    assert_eq!(faulty.objects, []);
    let held = good.objects.into_iter().map(|loaded| Loaded { held: Some(Held::Unreadable), ..loaded });
    let set = LoadedSet {
        objects: held.collect(),
        problems: faulty.problems,
        partial: faulty.partial,
        ..LoadedSet::default()
    };
    let desired = Desired::of(Sources { directory: Some(&set), ..Sources::default() });
    let told = lines(&desired.problems);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told.iter().any(|line| line.contains("no MonitoredService named `nowhere`")), "{told:#?}");
}

#[test]
fn what_the_policy_default_heals_is_named_by_its_label() {
    let said = |selector: Selector| {
        let spec = AutohealPolicySpec { selector, ..AutohealPolicySpec::default() };
        let policy = [Object::new("default", Origin::Environment, spec)];
        Desired::of(Sources { environment: &policy, ..Sources::default() }).healed_by_default()
    };
    assert_eq!(Desired::default().healed_by_default(), "containers with autoheal=true label");
    assert_eq!(said(Selector::label("heal", "true")), "containers with heal=true label");
    assert_eq!(said(Selector::everything()), "all containers");
    let names = Selector { names: vec!["web".to_owned()], ..Selector::default() };
    assert_eq!(said(names), "containers that AutohealPolicy/default selects");
}

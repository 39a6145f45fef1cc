use secrecy::ExposeSecret;

use super::*;
use crate::config::LogFormat;

fn process(pairs: &[(&str, &str)]) -> Process {
    let home = [("HOME", "/home/ada")];
    let variables = home.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Process { variables: variables.collect(), ..Process::default() }
}

fn listening(address: &str) -> RunArgs {
    RunArgs { listen: Some(address.to_owned()), ..RunArgs::default() }
}

#[test]
fn with_nothing_said_it_listens_on_loopback_and_keeps_state_at_home() {
    let config = resolve(RunArgs::default(), &process(&[])).expect("a configuration");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.state_dir, Path::new("/home/ada/.local/state/portreeve"));
    assert_eq!(config.storage, Storage::Sqlite { path: config.state_dir.join("portreeve.db") });
    assert_eq!(config.log.filter, "info");
    assert!(config.token.is_none() && config.config_dirs.is_empty() && config.environment.objects.is_empty());
}

#[test]
fn state_goes_where_the_flag_the_user_or_xdg_says() {
    let dir = |process: &Process| resolve(RunArgs::default(), process).map(|config| config.state_dir);
    let root = Process { superuser: true, ..process(&[("XDG_STATE_HOME", "/x")]) };
    assert_eq!(dir(&root), Ok(PathBuf::from("/var/lib/portreeve")));
    assert_eq!(dir(&process(&[("XDG_STATE_HOME", "/x")])), Ok(PathBuf::from("/x/portreeve")));
    assert_eq!(
        dir(&process(&[("XDG_STATE_HOME", "x")])),
        Ok(PathBuf::from("/home/ada/.local/state/portreeve"))
    );
    assert_eq!(dir(&Process::default()), Err(ConfigError::NoStateDir));
    let flag = RunArgs { state_dir: Some("/s".into()), ..RunArgs::default() };
    assert_eq!(resolve(flag, &root).expect("a configuration").state_dir, Path::new("/s"));
}

#[test]
fn health_service_port_sets_the_port_and_listen_beats_it() {
    let process = process(&[("HEALTH_SERVICE_PORT", "9100")]);
    let address = |args| resolve(args, &process).expect("a configuration").listen.to_string();
    assert_eq!(address(RunArgs::default()), "127.0.0.1:9100");
    assert_eq!(address(listening("127.0.0.1:7000")), "127.0.0.1:7000");
    assert_eq!(address(listening("localhost:7000")), "127.0.0.1:7000");
    assert_eq!(address(listening("[::1]:7000")), "[::1]:7000");
    for bad in ["7000", "example.com:80", "127.0.0.1", ":", "localhost:99999"] {
        assert!(matches!(resolve(listening(bad), &process), Err(ConfigError::Listen(_))), "{bad}");
    }
}

#[test]
fn whatever_is_listened_on_nothing_is_open_from_outside_but_what_is_said() {
    let outside = "203.0.113.7".parse().expect("an address");
    for open in ["0.0.0.0:8000", ":8000", "[::]:8000", "192.168.1.4:8000"] {
        let config = resolve(listening(open), &process(&[])).expect(open);
        assert_eq!(config.anonymous.role(outside, false), None);
        let said = [("PORTREEVE_ANONYMOUS", "view@203.0.113.0/24, none")];
        let config = resolve(listening(open), &process(&said)).expect(open);
        assert_eq!(config.anonymous.in_force(false), ["view@203.0.113.0/24"]);
        let config = resolve(listening(open), &process(&[("PORTREEVE_TOKEN", "s3cret")])).expect(open);
        assert_eq!(config.token.expect("a token").expose_secret(), "s3cret");
    }
    let args = RunArgs { anonymous: vec!["edit@10.0.0.0/8".to_owned()], ..RunArgs::default() };
    let config = resolve(args, &process(&[("PORTREEVE_ANONYMOUS", "view@203.0.113.0/24")]));
    assert_eq!(config.expect("flags win").anonymous.in_force(false), ["view@loopback", "edit@10.0.0.0/8"]);
}

#[test]
fn the_socket_is_named_by_the_port_where_root_the_unit_or_the_state_directory_says() {
    let path = |process: &Process| resolve(RunArgs::default(), process).map(|config| config.socket.path(9));
    let root = Process { superuser: true, ..process(&[]) };
    assert_eq!(path(&root), Ok(Some("/run/portreeve/9.sock".into())));
    assert_eq!(path(&process(&[])), Ok(Some("/home/ada/.local/state/portreeve/9.sock".into())));
    let unit = [("RUNTIME_DIRECTORY", "/run/reeve:/run/other")];
    assert_eq!(path(&process(&unit)), Ok(Some("/run/reeve/9.sock".into())));
    assert_eq!(path(&process(&[("PORTREEVE_SOCKET", "/x/y.sock")])), Ok(Some("/x/y.sock".into())));
    assert_eq!(path(&process(&[("PORTREEVE_SOCKET", "none")])), Ok(None));
    let relative = path(&process(&[("PORTREEVE_SOCKET", "y.sock")]));
    assert_eq!(relative, Err(ConfigError::Socket("y.sock".to_owned())));
}

#[test]
fn secrets_names_and_networks_are_taken_at_their_word_or_refused() {
    let secrets = |pairs: &[_]| {
        resolve(RunArgs::default(), &process(pairs))
            .map(|config| config.guard.secrets().directories().to_vec())
    };
    let default = ["/run/secrets", "/home/ada/.local/state/portreeve/secrets"].map(PathBuf::from).to_vec();
    assert_eq!(secrets(&[]), Ok(default));
    assert_eq!(secrets(&[("PORTREEVE_SECRET_DIR", "/a:/b")]), Ok(vec!["/a".into(), "/b".into()]));
    let mapped = [("PORTREEVE_ALLOW_ADDRESS", "::ffff:169.254.0.0/112")];
    let config = resolve(RunArgs::default(), &process(&mapped)).expect("a network");
    let forbids = |address: &str| config.guard.forbids(address.parse().expect(address));
    assert_eq!(["169.254.169.254", "::ffff:169.254.169.254", "fe80::1"].map(forbids), [false, false, true]);
    let error = |pairs: &[_]| resolve(RunArgs::default(), &process(pairs)).expect_err("no good").to_string();
    for (name, value, says) in [
        ("PORTREEVE_SECRET_DIR", "a", "--secret-dir a must be an absolute path"),
        ("PORTREEVE_SECRET_DIR", "/a/../b", "--secret-dir /a/../b must be an absolute path"),
        ("PORTREEVE_ALLOW_HOST", "http://x", "--allow-host \"http://x\" is not a name"),
        ("PORTREEVE_ALLOW_HOST", "x:80", "--allow-host \"x:80\" is not a name"),
        ("PORTREEVE_ALLOW_ADDRESS", "metadata", "--allow-address \"metadata\" is not a network"),
        (
            "PORTREEVE_ALLOW_ADDRESS",
            "::ffff:10.0.0.0/8",
            "--allow-address \"::ffff:10.0.0.0/8\" is not a network",
        ),
        ("PORTREEVE_ANONYMOUS", "root", "--anonymous \"root\" is not ROLE"),
        ("PORTREEVE_MAX_WATCHES", "0", "--max-watches must be"),
    ] {
        let said = error(&[(name, value)]);
        assert!(said.starts_with(says), "{said}");
    }
}

#[test]
fn a_token_file_must_hold_a_token_and_beats_the_variable() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("token");
    let args = || RunArgs { token_file: Some(path.clone()), ..RunArgs::default() };
    let process = process(&[("PORTREEVE_TOKEN", "other")]);
    assert!(matches!(resolve(args(), &process), Err(ConfigError::TokenFile { .. })));
    let pipe = RunArgs { token_file: Some("/dev/zero".into()), ..RunArgs::default() };
    let error = resolve(pipe, &process).expect_err("no file").to_string();
    assert!(error.contains("is not a regular file"), "{error}");
    for (content, good) in [("s3cret\n", true), ("\n", false), ("two words", false), ("naïve", false)] {
        std::fs::write(&path, content).expect("a file");
        let token = resolve(args(), &process).map(|config| config.token);
        match token {
            Ok(token) => assert!(good && token.expect("a token").expose_secret() == "s3cret"),
            Err(error) => assert!(!good && !error.to_string().contains("words"), "{error}"),
        }
    }
}

#[test]
fn storage_urls_are_relative_to_the_state_directory_or_absolute() {
    let state = Path::new("/state");
    let storage = |name: &str, url: &str| storage(&process(&[(name, url)]), state);
    let sqlite = |path: &str| Ok(Storage::Sqlite { path: path.into() });
    assert_eq!(storage("METRICS_STORAGE_URL", "sqlite:///health.db"), sqlite("/state/health.db"));
    assert_eq!(storage("METRICS_STORAGE_URL", "sqlite:////data/health.db"), sqlite("/data/health.db"));
    for bad in ["sqlite://health.db", "sqlite:///", "mysql://x", "health.db"] {
        assert_eq!(
            storage("METRICS_STORAGE_URL", bad),
            Err(ConfigError::Storage("METRICS_STORAGE_URL")),
            "{bad}"
        );
    }
    for url in
        ["postgresql://u:hunter2@db/x", "postgres://u:hunter2@db/x", "postgresql+psycopg2://u:hunter2@db/x"]
    {
        let error = storage("POSTGRES_URL", url).expect_err(url).to_string();
        assert!(error.contains("not available in this version yet") && !error.contains("hunter2"), "{error}");
    }
    let both = process(&[("POSTGRES_URL", "postgres://db/x"), ("METRICS_STORAGE_URL", "sqlite:///a.db")]);
    assert_eq!(super::storage(&both, state), Err(ConfigError::Postgres("POSTGRES_URL")));
}

#[test]
fn the_docker_host_flag_beats_the_variable() {
    let args = RunArgs { docker_host: Some("tcp://flag:1".to_owned()), ..RunArgs::default() };
    let config = resolve(args, &process(&[("DOCKER_HOST", "tcp://variable:1")])).expect("a configuration");
    let crate::resource::Spec::DockerHost(host) = &config.environment.objects[0].spec else {
        panic!("not a DockerHost")
    };
    assert_eq!(host.endpoint, "tcp://flag:1");
}

#[test]
fn every_flag_is_a_variable_too_and_an_empty_one_is_none() {
    let names = [
        "PORTREEVE_CONFIG_DIR",
        "PORTREEVE_STATE_DIR",
        "PORTREEVE_LISTEN",
        "PORTREEVE_TOKEN",
        "PORTREEVE_TOKEN_FILE",
        "PORTREEVE_OPEN_METRICS",
        "PORTREEVE_OBSERVE",
        "PORTREEVE_ALLOW_EMPTY",
        "PORTREEVE_LOG_FORMAT",
        "PORTREEVE_LOG",
        "RUST_LOG",
        "LOG_FILE",
        "DOCKER_HOST",
        "METRICS_STORAGE_URL",
    ];
    let said = |config: RunConfig| format!("{config:?}");
    let empty = process(&names.map(|name| (name, "")));
    let nothing = said(resolve(RunArgs::default(), &process(&[])).expect("a configuration"));
    assert_eq!(said(resolve(RunArgs::default(), &empty).expect("a configuration")), nothing);

    let set = process(&[
        ("PORTREEVE_CONFIG_DIR", "/a::/b"),
        ("PORTREEVE_STATE_DIR", "/s"),
        ("PORTREEVE_LISTEN", "127.0.0.1:1"),
        ("PORTREEVE_OPEN_METRICS", "yes"),
        ("PORTREEVE_OBSERVE", "1"),
        ("PORTREEVE_ALLOW_EMPTY", "true"),
        ("PORTREEVE_LOG_FORMAT", "json"),
        ("PORTREEVE_LOG", "debug"),
        ("RUST_LOG", "trace"),
        ("LOG_FILE", "/l"),
    ]);
    let config = resolve(RunArgs::default(), &set).expect("a configuration");
    assert_eq!(config.config_dirs, ["/a", "/b"].map(PathBuf::from));
    assert_eq!((config.state_dir.as_path(), config.listen.port()), (Path::new("/s"), 1));
    assert!(config.open_metrics && config.observe && config.allow_empty);
    let log = LogConfig { format: LogFormat::Json, filter: "debug".to_owned(), file: Some("/l".into()) };
    assert_eq!(config.log, log);
    let args =
        RunArgs { config_dirs: vec!["/c".into()], log_format: Some(LogFormat::Text), ..listening("[::1]:2") };
    let config = resolve(args, &set).expect("a configuration");
    assert_eq!((config.config_dirs, config.listen.port()), (vec!["/c".into()], 2));
    assert_eq!(config.log.format, LogFormat::Text);
}

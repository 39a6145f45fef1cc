use std::collections::BTreeMap;
use std::sync::Arc;

use super::fixtures::{ENGINE, container, id_of, interface, world};
use super::*;
use crate::observed::Listener;

const HERE: Surroundings = Surroundings {
    rootless: false,
    same_host: true,
    listener: Listener::Here,
    own: None,
    networks: BTreeMap::new(),
    engine_started: None,
};

fn publishing(container: Container, bindings: &[(&str, u16)]) -> Container {
    let port = |(address, host): &(&str, u16)| Port {
        container: 80,
        protocol: "tcp".to_owned(),
        host: Some(*host),
        host_ip: Some((*address).to_owned()),
    };
    Container { ports: bindings.iter().map(port).collect(), ..container }
}

/// The engine's networks by driver and the name of their interface, as it says them itself.
fn networks(these: &[(&str, &str, Option<&str>)]) -> BTreeMap<String, Network> {
    let network = |(name, driver, interface): &(&str, &str, Option<&str>)| {
        let interface = interface.map(str::to_owned);
        (id_of(name), Network { driver: (*driver).to_owned(), interface, isolated: false })
    };
    these.iter().map(network).collect()
}

fn spec(endpoint: &str, address: Option<&str>) -> DockerHostSpec {
    DockerHostSpec {
        endpoint: endpoint.to_owned(),
        address: address.map(str::to_owned),
        ..DockerHostSpec::default()
    }
}

/// `address:port`, with `?` behind it where that is assumed; or what is said instead.
fn asked(container: &Container, world: &World, spec: &DockerHostSpec) -> Result<String, String> {
    let place = Place::of(container, world, spec, 80, "tcp")?;
    let doubt = matches!(place.basis, Basis::Assumed { .. });
    Ok(format!("{place}{}", if doubt { "?" } else { "" }))
}

const SOCKET: &str = "unix:///run/docker.sock";

#[test]
fn on_the_engines_host_a_bridge_goes_before_what_sorts_first_and_that_before_nothing() {
    let lan = ("a_lan", "10.9.0.2");
    let both = container("a", "bridge", &[lan, ("bridge", "172.17.0.2")]);
    let lone = container("b", "a_lan", &[lan]);
    let shown = publishing(lone.clone(), &[("0.0.0.0", 8080)]);
    let own_name = container("c", "shop", &[("shop", "172.18.0.2")]);
    let networks = networks(&[
        ("a_lan", "macvlan", None),
        ("bridge", "bridge", Some("docker0")),
        ("shop", "bridge", Some("br-shop00000000")),
    ]);
    let mut world = world(&[], Surroundings { networks, ..HERE });
    world.interfaces = vec![
        interface("eth0", "10.9.0.9", 24),
        interface("docker0", "172.17.0.1", 16),
        interface("br-shop00000000", "172.18.0.1", 16),
    ]
    .into();
    let spec = spec(SOCKET, None);
    for (container, expected) in [
        (&both, "172.17.0.2:80"),
        (&own_name, "172.18.0.2:80"),
        (&shown, "127.0.0.1:8080?"),
        (&lone, "10.9.0.2:80?"),
    ] {
        assert_eq!(asked(container, &world, &spec).as_deref(), Ok(expected), "{}", container.name);
    }
    let place = Place::of(&lone, &world, &spec, 80, "tcp").expect("a place");
    assert!(place.why.contains("macvlan"), "{}", place.why);
    // Where another bridge has these addresses there is somebody else, whatever gateway the network names.
    let mut lone = lone;
    lone.networks.get_mut("a_lan").expect("a network").gateway = "10.9.0.1".parse().ok();
    let mut strange = world.clone();
    strange.interfaces = vec![interface("br-0123456789ab", "10.9.0.1", 24)].into();
    assert!(asked(&lone, &strange, &spec).is_err());
    // Without its bridge nothing certain is left: the interface is gone, or is another's.
    world.interfaces = vec![interface("docker0", "172.19.0.1", 16)].into();
    assert_eq!(asked(&both, &world, &spec).as_deref(), Ok("10.9.0.2:80?"));
}

#[test]
fn addresses_of_a_foreign_engine_are_never_asked_though_they_look_like_ours() {
    let networks = networks(&[("bridge", "bridge", Some("docker0"))]);
    let mut world = world(&[], Surroundings { networks, ..HERE });
    world.interfaces = vec![interface("docker0", "172.17.0.1", 16)].into();
    let hidden = container("a", "bridge", &[("bridge", "172.17.0.2")]);
    let shown = publishing(hidden.clone(), &[("0.0.0.0", 8080)]);
    let local = publishing(hidden.clone(), &[("127.0.0.1", 8080)]);
    let mut becomes = |change: &dyn Fn(&mut Surroundings)| {
        let known = world.engine_mut(ENGINE).expect("an engine");
        let seen = Arc::make_mut(&mut known.surroundings);
        (seen.listener, seen.rootless, seen.same_host) = (Listener::Here, false, true);
        change(seen);
        world.clone()
    };
    let (apart, rootless) =
        (becomes(&|seen| seen.listener = Listener::Apart), becomes(&|seen| seen.rootless = true));
    let machine = becomes(&|seen| (seen.listener, seen.same_host) = (Listener::Unknown, false));
    for (world, socket, container, expected) in [
        (&apart, SOCKET, &hidden, Err("it publishes no port 80/tcp")),
        (&apart, SOCKET, &shown, Err("its engine is in another network namespace")),
        (&rootless, SOCKET, &shown, Ok("127.0.0.1:8080?")),
        (&rootless, SOCKET, &local, Ok("127.0.0.1:8080?")),
        (&rootless, SOCKET, &hidden, Err("it publishes no port 80/tcp")),
        (&machine, SOCKET, &shown, Ok("127.0.0.1:8080?")),
        (&machine, SOCKET, &hidden, Err("it publishes no port 80/tcp")),
        (&machine, "tcp://engine.example:2376", &shown, Ok("engine.example:8080?")),
        (&machine, "tcp://engine.example:2376", &local, Err("127.0.0.1 of its host, which is not reached")),
        (&machine, "tcp://engine.example:2376", &hidden, Err("it publishes no port 80/tcp")),
    ] {
        match (asked(container, world, &spec(socket, None)), expected) {
            (Ok(found), expected) => assert_eq!(Ok(found.as_str()), expected, "{}", container.name),
            (Err(found), Err(part)) => assert!(found.contains(part), "no `{part}`: {found}"),
            (Err(found), Ok(expected)) => panic!("{expected}: {found}"),
        }
    }
    // Behind a relay nobody knows; a bridge that no other engine can have proves it, and Docker's usual one does not.
    let relayed = becomes(&|seen| seen.listener = Listener::Unknown);
    assert_eq!(asked(&hidden, &relayed, &spec(SOCKET, None)).as_deref(), Ok("172.17.0.2:80?"));
    let shop = container("b", "shop", &[("shop", "172.18.0.2")]);
    for mut world in [relayed, machine] {
        world.interfaces = vec![interface("br-shop00000000", "172.18.0.1", 16)].into();
        assert_eq!(asked(&shop, &world, &spec(SOCKET, None)).as_deref(), Ok("172.18.0.2:80"));
    }
    let mut rootless = rootless;
    rootless.interfaces = vec![interface("br-shop00000000", "172.18.0.1", 16)].into();
    assert!(asked(&shop, &rootless, &spec(SOCKET, None)).is_err(), "a rootless engine has its own bridges");
}

#[test]
fn from_a_container_a_shared_network_goes_first_and_a_port_of_the_hosts_loopback_is_out_of_reach() {
    let own =
        container("own", "mon", &[("mon", "172.20.0.2"), ("wide", "10.0.1.2"), ("quiet", "172.21.0.2")]);
    let shared = publishing(
        container("a", "front", &[("front", "172.22.0.3"), ("mon", "172.20.0.3")]),
        &[("0.0.0.0", 8080)],
    );
    let wide = container("b", "wide", &[("wide", "10.0.1.3")]);
    let quiet = container("c", "quiet", &[("quiet", "172.21.0.3")]);
    let namesake = {
        let mut namesake = container("d", "mon", &[("mon", "172.20.0.4")]);
        namesake.networks.get_mut("mon").expect("a network").network = id_of("another");
        namesake
    };
    let elsewhere = container("e", "front", &[("front", "172.22.0.4")]);
    let shown = publishing(elsewhere.clone(), &[("127.0.0.1", 8081), ("0.0.0.0", 8080)]);
    let local = publishing(elsewhere.clone(), &[("127.0.0.1", 8081)]);
    let bound = publishing(elsewhere.clone(), &[("192.168.1.9", 8082)]);
    let mut networks = networks(&[
        ("mon", "bridge", None),
        ("front", "bridge", None),
        ("wide", "overlay", None),
        ("quiet", "bridge", None),
    ]);
    networks.get_mut(&id_of("quiet")).expect("a network").isolated = true;
    let mut world = world(&[&own], Surroundings { networks, ..Surroundings::default() });
    world.own = Arc::new([Arc::from("own")].into());
    for (container, expected) in [
        (&shared, Ok("172.20.0.3:80")),
        (&wide, Ok("10.0.1.3:80?")),
        (&quiet, Ok("172.21.0.3:80?")),
        (&namesake, Err("shares no network with Portreeve")),
        (&elsewhere, Err("shares no network with Portreeve")),
        (&shown, Ok("host.docker.internal:8080?")),
        (&local, Err("127.0.0.1 of its host, which is not reached from Portreeve's container")),
        (&bound, Ok("192.168.1.9:8082?")),
    ] {
        for endpoint in [SOCKET, "tcp://socket-proxy:2375"] {
            match (asked(container, &world, &spec(endpoint, None)), expected) {
                (Ok(found), expected) => assert_eq!(Ok(found.as_str()), expected, "{}", container.name),
                (Err(found), Err(part)) => assert!(found.contains(part), "no `{part}`: {found}"),
                (Err(found), Ok(expected)) => panic!("{expected}: {found}"),
            }
        }
    }
}

#[test]
fn a_declared_address_is_where_published_ports_are_asked_and_nothing_is_assumed_of_it() {
    let shown = publishing(container("a", "bridge", &[("bridge", "172.17.0.2")]), &[("0.0.0.0", 8080)]);
    let local = publishing(shown.clone(), &[("127.0.0.1", 8080)]);
    let bound = publishing(shown.clone(), &[("192.168.1.9", 8080)]);
    let host = container("h", "host", &[]);
    let world = world(&[], Surroundings { listener: Listener::Apart, ..Surroundings::default() });
    for (container, address, expected) in [
        (&shown, "10.0.0.7", Ok("10.0.0.7:8080")),
        (&shown, "fd00::7", Ok("[fd00::7]:8080")),
        (&local, "10.0.0.7", Err("which is not reached from 10.0.0.7")),
        (&local, "localhost", Ok("localhost:8080")),
        (&bound, "192.168.1.9", Ok("192.168.1.9:8080")),
        (&bound, "engine.example", Ok("engine.example:8080?")),
        (&host, "10.0.0.7", Ok("10.0.0.7:80")),
    ] {
        match (asked(container, &world, &spec(SOCKET, Some(address))), expected) {
            (Ok(found), expected) => assert_eq!(Ok(found.as_str()), expected, "{address}"),
            (Err(found), Err(part)) => assert!(found.contains(part), "no `{part}`: {found}"),
            (Err(found), Ok(expected)) => panic!("{expected}: {found}"),
        }
    }
    let undeclared = asked(&shown, &world, &spec(SOCKET, None)).expect_err("nobody knows");
    assert!(undeclared.contains("set spec.address of DockerHost/local"), "{undeclared}");
}

#[test]
fn a_failure_where_nothing_was_ever_seen_well_is_no_failure_of_the_container() {
    let shown = publishing(container("a", "bridge", &[]), &[("0.0.0.0", 8080)]);
    let world = world(&[], Surroundings::default());
    let spec = spec("tcp://engine.example:2376", None);
    let place = Place::of(&shown, &world, &spec, 80, "tcp").expect("a place");
    let doubt = place.doubt("connection refused", false).expect("a doubt");
    for part in
        ["connection refused", "engine.example:8080 is only assumed", "set spec.address of DockerHost/local"]
    {
        assert!(doubt.contains(part), "no `{part}`: {doubt}");
    }
    assert_eq!(place.doubt("connection refused", true), None, "a check has passed there");
    assert_eq!(Place::declared("engine.example", 8080).doubt("connection refused", false), None);
    // With another run comes another port; one made anew has the same name.
    let route = place.route("page", &shown, 80, "tcp").expect("a route");
    let again = publishing(container("a", "bridge", &[]), &[("0.0.0.0", 8099)]);
    let place = Place::of(&again, &world, &spec, 80, "tcp").expect("a place");
    assert_eq!(place.route("page", &again, 80, "tcp"), Some(route.clone()));
    assert_ne!(place.route("page", &again, 81, "tcp"), Some(route));
    assert_eq!(Place::declared("engine.example", 8080).route("page", &again, 80, "tcp"), None);
}

#[test]
fn who_uses_the_network_of_another_or_of_the_host_is_asked_there() {
    let parent = container("p", "bridge", &[("bridge", "172.17.0.2")]);
    let child = container("c", "container:p", &[]);
    let by_name = container("n", "container:name-c", &[]);
    let orphan = container("o", "container:gone", &[]);
    let (one, two) = (container("x", "container:y", &[]), container("y", "container:x", &[]));
    let host = container("h", "host", &[("host", "")]);
    let networks = networks(&[("bridge", "bridge", Some("docker0"))]);
    let all = [&parent, &child, &by_name, &orphan, &one, &two, &host];
    let mut world = world(&all, Surroundings { networks, ..HERE });
    world.interfaces = vec![interface("docker0", "172.17.0.1", 16)].into();
    let here = spec(SOCKET, None);
    assert_eq!(asked(&child, &world, &here).as_deref(), Ok("172.17.0.2:80"));
    assert_eq!(asked(&by_name, &world, &here).as_deref(), Ok("172.17.0.2:80"));
    assert!(asked(&orphan, &world, &here).is_err_and(|why| why.contains("does not exist")));
    assert!(asked(&one, &world, &here).is_err_and(|why| why.contains("and so on")));
    assert_eq!(asked(&host, &world, &here).as_deref(), Ok("127.0.0.1:80?"));
    let away = spec("tcp://e:2376", None);
    world.engine_mut(ENGINE).expect("an engine").surroundings = Arc::default();
    assert_eq!(asked(&host, &world, &away).as_deref(), Ok("e:80?"));
    world.own = Arc::new([Arc::from("p")].into());
    assert!(asked(&host, &world, &here).is_err());
}

#[test]
fn an_address_of_ip_version_6_is_bracketed_and_one_without_a_port_is_bare() {
    assert_eq!(Place::declared("fd00::1", 80).to_string(), "[fd00::1]:80");
    assert_eq!(Place::declared("fd00::1", 0).to_string(), "fd00::1");
}

//! The same done among a thousand containers, among ten thousand, and among ten thousand of Compose with services.

use std::time::{Duration, Instant};

use crate::figures::{Common, Table, cpu_seconds, megabytes, percentile};
use crate::support::fake_engine::fleet::{self, REPLICAS, SERVICES};
use crate::support::fake_engine::{Container, FakeEngine};
use crate::support::portreeve::Portreeve;
use crate::support::wait;

/// Events whose cost is measured.
const EVENTS: usize = 4_000;
/// At this rate.
const PER_SECOND: usize = 800;
/// Objects put into the directory, one after the other.
const OBJECTS: usize = 5;
/// Pages of 500 containers that are asked for.
const PAGES: usize = 40;
/// What a rig that does not work is given.
const LIMIT: Duration = Duration::from_secs(120);
/// How long it may take until all containers are known; what takes longer is given up, and misses its bars.
const KNOWN: Duration = Duration::from_secs(240);
/// As much more than another build's as is the machine's doing.
const NOISE: f64 = 1.05;

/// What is watched.
#[derive(Clone, Copy)]
struct Fleet {
    name: &'static str,
    containers: usize,
    services: usize,
}

const FEW: Fleet = Fleet { name: "1,000", containers: 1_000, services: 0 };
const MANY: Fleet = Fleet { name: "10,000", containers: 10_000, services: 0 };
const SERVED: Fleet = Fleet { name: "10,000, 500 services", containers: 10_000, services: 500 };

/// What that costs: seconds, and MiB.
#[derive(Clone, Copy)]
struct Costs {
    first_look: f64,
    known: f64,
    idle: f64,
    memory: f64,
    page: f64,
    object: f64,
    event: f64,
}

/// Of what did not come to rest.
const NEVER: Costs = Costs {
    first_look: f64::INFINITY,
    known: f64::INFINITY,
    idle: f64::INFINITY,
    memory: f64::INFINITY,
    page: f64::INFINITY,
    object: f64::INFINITY,
    event: f64::INFINITY,
};

pub(crate) async fn measure(common: &Common, table: &mut Table) {
    let few = costs(&common.program, FEW).await;
    let older = match &common.against {
        Some(path) => {
            let older = costs(path, FEW).await;
            let mut least = (few.event, older.event);
            for _ in 0..2 {
                least.0 = least.0.min(event(&common.program).await);
                least.1 = least.1.min(event(path).await);
            }
            Some((older, least))
        }
        None => None,
    };
    let (many, served) = (costs(&common.program, MANY).await, costs(&common.program, SERVED).await);
    let all = [(FEW, few), (MANY, many), (SERVED, served)];

    for (fleet, cost) in &all {
        let name = fleet.name;
        table.figure(format!("{name}: CPU of an event, of {EVENTS}"), micros(cost.event));
        table.figure(format!("{name}: CPU until all are known"), format!("{:.2} s", cost.first_look));
        table.figure(format!("{name}: time until all are known"), format!("{:.1} s", cost.known));
        table.figure(format!("{name}: CPU of one object more"), format!("{:.3} s", cost.object));
        table.figure(format!("{name}: a page of 500 containers, p50"), format!("{:.1} ms", cost.page * 1e3));
        table.figure(format!("{name}: CPU of a core, idle"), format!("{:.2} %", cost.idle * 100.0));
        match fleet.services {
            0 => table.held(
                format!("{name}: memory (RSS), idle"),
                cost.memory,
                if fleet.containers == FEW.containers { 36.0 } else { 130.0 },
                "MiB",
            ),
            _ => table.figure(format!("{name}: memory (RSS), idle"), format!("{:.1} MiB", cost.memory)),
        }
    }
    table.bounded("an event, 10,000 to 1,000", many.event / few.event, 1.3);
    table.bounded("an event, 10,000 with 500 services to 1,000", served.event / few.event, 1.5);
    table.bounded("first look, 10,000 to 1,000", many.first_look / few.first_look, 11.0);
    table.held("one object more, 10,000 with 500 services", served.object, 0.3, "s");
    table.bounded("a page of 500, 10,000 to 1,000", many.page / few.page, 1.5);
    if let Some((older, (ours, theirs))) = older {
        table.figure("1,000: CPU of an event, best of 3", micros(ours));
        table.figure("1,000, the older build: CPU of an event, best of 3", micros(theirs));
        let look = format!("{:.2} s", older.first_look);
        table.figure("1,000, the older build: CPU until all are known", look);
        table.figure("1,000, the older build: CPU of one object more", format!("{:.3} s", older.object));
        table.figure("1,000, the older build: memory (RSS), idle", format!("{:.1} MiB", older.memory));
        table.bounded("an event at 1,000, to the older build's", ours / theirs, NOISE);
    }
}

fn micros(seconds: f64) -> String {
    format!("{:.0} µs", seconds * 1e6)
}

/// Seconds of CPU that an event costs among few, tried once.
async fn event(program: &str) -> f64 {
    let rig = Rig::start(program, FEW).await.expect("a thousand are known in time");
    rig.events().await
}

async fn costs(program: &str, fleet: Fleet) -> Costs {
    let begin = Instant::now();
    let Some(rig) = Rig::start(program, fleet).await else { return NEVER };
    let (first_look, known) = (cpu_seconds(rig.pid()), begin.elapsed().as_secs_f64() - QUIET.as_secs_f64());
    let (begin, cpu) = (Instant::now(), cpu_seconds(rig.pid()));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let idle = (cpu_seconds(rig.pid()) - cpu) / begin.elapsed().as_secs_f64();
    let memory = megabytes(rig.pid(), "VmRSS");
    println!("{}: {first_look:.2} s of CPU in {known:.1} s until all are known", fleet.name);
    let (page, object) = (rig.page().await, rig.object().await);
    println!("{}: {object:.3} s of CPU for one object more", fleet.name);
    let event = rig.events().await;
    println!("{}: {} of CPU for an event", fleet.name, micros(event));
    Costs { first_look, known, idle, memory, page, object, event }
}

/// How long nothing is done when all is done.
const QUIET: Duration = Duration::from_secs(1);

/// Portreeve beside an engine; it knows all containers.
struct Rig {
    engine: FakeEngine,
    portreeve: Portreeve,
    fleet: Fleet,
}

impl Rig {
    async fn start(program: &str, fleet: Fleet) -> Option<Self> {
        let engine = FakeEngine::live();
        engine.populate(0..fleet.containers, |n| fleet.container(n));
        let portreeve = Portreeve::new(program).docker_host(&engine.endpoint()).env("RUST_LOG", "warn");
        if fleet.services > 0 {
            portreeve.manifest("services.yaml", &(0..fleet.services).map(service).collect::<String>());
        }
        let mut rig = Self { engine, portreeve, fleet };
        rig.portreeve.spawn();
        let begin = Instant::now();
        let known = || rig.engine.count("GET /containers/{id}/json");
        while known() < fleet.containers && begin.elapsed() < KNOWN {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if rig.rests(KNOWN.saturating_sub(begin.elapsed())).await {
            return Some(rig);
        }
        let cpu = cpu_seconds(rig.pid());
        let name = fleet.name;
        println!("{name}: given up after {KNOWN:?} and {cpu:.0} s of CPU, with {} inspects", known());
        None
    }

    fn pid(&self) -> u32 {
        self.portreeve.pid()
    }

    async fn settled(&self) {
        assert!(self.rests(LIMIT).await, "it does not come to rest; its log:\n{}", self.portreeve.log());
    }

    /// Waits until the engine is asked nothing and hardly any CPU is used, for a while; whether that came in time.
    async fn rests(&self, within: Duration) -> bool {
        const STEP: Duration = Duration::from_millis(250);
        let begin = Instant::now();
        let mut quiet = Duration::ZERO;
        while quiet < QUIET {
            if begin.elapsed() > within {
                return false;
            }
            let before = (self.engine.total(), cpu_seconds(self.pid()));
            tokio::time::sleep(STEP).await;
            let used = cpu_seconds(self.pid()) - before.1;
            // One tick is what looking at the clock now and then may come to.
            let still = self.engine.total() == before.0 && used < 0.015;
            quiet = if still { quiet + STEP } else { Duration::ZERO };
        }
        true
    }

    /// Seconds of CPU that one event costs.
    async fn events(&self) -> f64 {
        // Every container as often as any other.
        let step = (self.fleet.containers / (EVENTS / 2)).max(1);
        let ids: Vec<String> = (0..EVENTS / 2).map(|n| fleet::id(n * step % self.fleet.containers)).collect();
        let (heard, cpu) = (self.metric("portreeve_events_total").await, cpu_seconds(self.pid()));
        let told = self.engine.flap(&ids, Some(PER_SECOND)).await;
        self.settled().await;
        let used = cpu_seconds(self.pid()) - cpu;
        let heard = self.metric("portreeve_events_total").await - heard;
        assert_eq!(
            (heard, self.metric("portreeve_queue_events").await),
            (told as f64, 0.0),
            "heard, and waiting"
        );
        used / told as f64
    }

    /// The sum of a metric's series.
    async fn metric(&self, name: &str) -> f64 {
        let page = self.portreeve.get("/metrics").await.unwrap().body;
        let values = page.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        values.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
    }

    /// Seconds of CPU from a new file in the directory until all that follows is done.
    async fn object(&self) -> f64 {
        let cpu = cpu_seconds(self.pid());
        for n in 0..OBJECTS {
            let spec = format!("{{selector: {{names: [{}]}}}}", self.fleet.container(n).name);
            let text = format!(
                "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: more{n}}}\nspec: {spec}\n"
            );
            self.portreeve.manifest(&format!("more{n}.yaml"), &text);
            wait::until("it is in force", LIMIT, || async {
                let status = self
                    .portreeve
                    .get(&format!("/apis/portreeve/v1/monitoredservices/more{n}"))
                    .await?
                    .status;
                wait::is(status == 200, format!("{status}"))
            })
            .await;
            self.settled().await;
        }
        (cpu_seconds(self.pid()) - cpu) / OBJECTS as f64
    }

    /// The median time of a page of containers: the first, and the one behind it.
    async fn page(&self) -> f64 {
        let mut times = Vec::new();
        let mut next = String::new();
        for _ in 0..PAGES {
            let begin = Instant::now();
            let path = format!("/apis/portreeve/v1/containers?limit=500{next}");
            let answer = self.portreeve.get(&path).await.unwrap();
            times.push(begin.elapsed().as_secs_f64());
            assert_eq!(answer.status, 200, "{}", answer.body);
            let page = answer.json();
            assert_eq!(page["items"].as_array().map(Vec::len), Some(500));
            let token = page["metadata"]["continue"].as_str();
            next = token
                .filter(|_| next.is_empty())
                .map_or_else(String::new, |token| format!("&continue={token}"));
        }
        percentile(&times, 0.5)
    }
}

impl Fleet {
    fn container(self, n: usize) -> Container {
        if self.services > 0 { fleet::composed(n) } else { fleet::plain(n) }
    }
}

/// The nth service: it has the containers of a Compose service, and needs the one before it in its chain of ten.
fn service(n: usize) -> String {
    let (project, place) = fleet::place(n * REPLICAS);
    let needs = if n.is_multiple_of(SERVICES) { String::new() } else { format!("chain-{}", n - 1) };
    format!(
        "---\napiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: chain-{n}}}\nspec:\n  \
         selector: {{compose: {{project: shop{project}, service: s{place}}}}}\n  dependsOn: [{needs}]\n"
    )
}

//! How many tasks are placed a second in a cluster of 5,000 instances and 100,000 tasks that is 90 % full, on one core, and
//! what the model of it takes of memory. Samples of the choices are compared with the naive placer's.
//!
//! `make bench-placement` runs it; it needs no cluster.

#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

mod trace;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ecs_operator::domain::engines::Claim;
use ecs_operator::domain::fleet::{Entry, Fleet, Offer, TaskName};
use ecs_operator::domain::placement::{Instance, Packed, Placement, Spread, Strategy, ZONE, naive};

use trace::{INSTANCES, Random, Service, TASKS, services, spread_and_pack};

/// Tasks that are released and placed anew, one after the other, while time is taken.
const STEADY: usize = 200_000;

/// So many of the choices are compared with the naive placer's, all along the way.
const COMPARED: usize = 300;

/// Other strategies are measured by fewer.
const OTHERS: usize = 30_000;

/// Every so many placements while filling are compared.
const EVERY: usize = 500;

const CLUSTER: &str = "default";

/// A fleet, and which tasks it has: of each its number and its service's.
struct Bench {
    services: Vec<Service>,
    fleet: Fleet,
    tasks: Vec<(usize, usize)>,
    random: Random,
}

fn main() -> anyhow::Result<()> {
    let mut random = Random::seeded(42);
    let services = services(&mut random);
    let instances = trace::instances(&services, &mut random);
    println!(
        "{INSTANCES} instances, {TASKS} tasks of {} services",
        services.len()
    );

    let mut bench = Bench {
        services,
        fleet: Fleet::default(),
        tasks: Vec::new(),
        random,
    };
    let before = resident()?;
    for instance in &instances {
        bench
            .fleet
            .offer(&instance.name.clone(), Some(offer(instance)));
    }
    let empty = resident()?;
    let compared = bench.fill()?;
    let full = resident()?;
    bench.tell_fullness();
    println!("{compared} choices while filling are the naive placer's");
    let each = |bytes: u64, count: u64| bytes * 1024 / count;
    println!(
        "memory: {} bytes an instance, {} bytes a task",
        each(empty.saturating_sub(before), INSTANCES),
        each(full.saturating_sub(empty), TASKS),
    );

    let packed = spread_and_pack();
    bench.steady("spread zones, binpack memory", &packed, STEADY)?;
    let over_zones = || Strategy::Spread(Spread::Attribute(ZONE.to_owned()));
    bench.steady("default: spread zones, spread instances", &[], OTHERS)?;
    bench.steady("binpack cpu", &[Strategy::Binpack(Packed::Cpu)], OTHERS)?;
    bench.steady("random", &[Strategy::Random], OTHERS)?;
    let racks = Strategy::Spread(Spread::Attribute("rack".to_owned()));
    let mixed = [over_zones(), racks, Strategy::Random];
    bench.steady("spread zones, spread racks, random", &mixed, OTHERS)?;
    let last = [Strategy::Binpack(Packed::Memory), over_zones()];
    bench.steady("binpack memory, spread zones", &last, OTHERS)?;
    bench.failures()?;
    Ok(())
}

impl Bench {
    /// Places tasks of services that are drawn by their shares, until there are enough; what finds no room is left out.
    fn fill(&mut self) -> anyhow::Result<usize> {
        let mut shares: Vec<usize> = Vec::new();
        for (index, service) in self.services.iter().enumerate() {
            shares.extend((0..service.tasks).map(|_| index));
        }
        let mut compared = 0;
        let packed = spread_and_pack();
        for number in 0.. {
            let drawn = shares.get(self.random.index(shares.len()));
            let service = *drawn.context("no service")?;
            if self.tasks.len() as u64 == TASKS {
                break;
            }
            if number % EVERY == 0 {
                self.compare(service, &packed, "")?;
                compared += 1;
            }
            if let Some(placement) = self.place(service, &packed, "") {
                let entry = self.entry(service, &placement);
                self.fleet.enter(&name(number), entry);
                self.tasks.push((number, service));
            }
        }
        Ok(compared)
    }

    /// Releases a task of any service and places one of the same service, again and again; then only releases and enters, to
    /// know what the placing took.
    fn steady(&mut self, what: &str, strategies: &[Strategy], count: usize) -> anyhow::Result<()> {
        let (mut whole, mut entering) = (Duration::ZERO, Duration::ZERO);
        let (mut placed, mut compared) = (0, 0);
        let batch = count / COMPARED;
        for n in 0..COMPARED {
            let began = busy()?;
            for m in 0..batch {
                placed += usize::from(self.turn_over(Some((strategies, n * batch + m)))?);
            }
            let between = busy()?;
            for _ in 0..batch {
                self.turn_over(None)?;
            }
            whole += between.saturating_sub(began);
            entering += busy()?.saturating_sub(between);
            let (_, service) = self.drawn_task()?;
            self.compare(service, strategies, &n.to_string())?;
            compared += 1;
        }
        rate(what, count, whole.saturating_sub(entering));
        rate("  with releasing and entering", count, whole);
        println!("  {compared} choices are the naive placer's; {placed} of {count} found room");
        Ok(())
    }

    /// Releases a task and enters it again: where it is placed now, or where it was. Says whether it found room.
    fn turn_over(&mut self, anew: Option<(&[Strategy], usize)>) -> anyhow::Result<bool> {
        let (number, service) = self.drawn_task()?;
        let name = name(number);
        let before = self.fleet.tasks().get(&name).cloned();
        self.fleet.enter(&name, None);
        let placement =
            anew.and_then(|(strategies, seed)| self.place(service, strategies, &seed.to_string()));
        let entry = placement.and_then(|placement| self.entry(service, &placement));
        let found = entry.is_some();
        self.fleet.enter(&name, entry.or(before));
        Ok(found)
    }

    fn drawn_task(&mut self) -> anyhow::Result<(usize, usize)> {
        let index = self.random.index(self.tasks.len());
        self.tasks.get(index).copied().context("no task")
    }

    /// What has no room is found out, and explained.
    fn failures(&mut self) -> anyhow::Result<()> {
        let huge = ecs_operator::domain::resources::Demand {
            memory: u32::MAX,
            ..Default::default()
        };
        let service = self.services.first().context("no service")?;
        let model = self.fleet.cluster(CLUSTER);
        let strategies = spread_and_pack();
        let mut request = service.request(&strategies, "");
        request.demand = &huge;
        let began = busy()?;
        for _ in 0..OTHERS {
            ensure!(model.place(&request).is_err(), "that has no room");
        }
        rate(
            "the same task without room, again and again",
            OTHERS,
            busy()?.saturating_sub(began),
        );
        Ok(())
    }

    fn place(&mut self, service: usize, strategies: &[Strategy], seed: &str) -> Option<Placement> {
        let request = self.services.get(service)?.request(strategies, seed);
        self.fleet.cluster(CLUSTER).place(&request).ok()
    }

    fn entry(&self, service: usize, placement: &Placement) -> Option<Entry> {
        let asked = self.services.get(service)?;
        Some(Entry {
            service: Some(Arc::clone(&asked.uid)),
            revision: ("shop".into(), asked.group.name.as_str().into()),
            instance: Some(placement.instance.as_str().into()),
            holding: Some(asked.holding(placement)),
            ..Entry::default()
        })
    }

    /// What is chosen for the next task of a service is what the naive placer chooses.
    fn compare(
        &mut self,
        service: usize,
        strategies: &[Strategy],
        seed: &str,
    ) -> anyhow::Result<()> {
        let asked = self.services.get(service).context("no such service")?;
        let request = asked.request(strategies, seed);
        let model = self.fleet.cluster(CLUSTER);
        let instances: Vec<&Instance> = model.instances().collect();
        let naive = naive::place(&instances, &request);
        let ours = model.place(&request);
        ensure!(
            ours == naive,
            "the model chose {ours:?}, the naive placer {naive:?}"
        );
        Ok(())
    }

    fn tell_fullness(&mut self) {
        let (mut held, mut offered) = ((0, 0), (0, 0));
        for instance in self.fleet.cluster(CLUSTER).instances() {
            held = (held.0 + instance.held.memory, held.1 + instance.held.cpu);
            let capacity = instance.capacity;
            offered = (
                offered.0 + u64::from(capacity.memory),
                offered.1 + u64::from(capacity.cpu),
            );
        }
        println!(
            "{} tasks placed: memory {} % full, CPU {} % full",
            self.tasks.len(),
            held.0 * 100 / offered.0,
            held.1 * 100 / offered.1,
        );
    }
}

fn name(number: usize) -> TaskName {
    (
        "shop".to_owned(),
        format!("service-{:04}-1f3a9c2e-{number}-1", number % 2_000),
    )
}

fn offer(instance: &Instance) -> Offer {
    Offer {
        cluster: CLUSTER.to_owned(),
        claim: Some(Claim {
            instance: instance.name.clone(),
            engine: instance.name.clone(),
            boot: "boot".to_owned(),
            since: None,
        }),
        instance: instance.clone(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count this small has a float")]
fn rate(what: &str, count: usize, took: Duration) {
    let each = took.as_secs_f64() / count as f64;
    println!(
        "{what:<44} {:>9.0} a second, {:>7.2} µs each",
        1.0 / each,
        each * 1e6
    );
}

/// CPU time that this process has had: what others do on the machine does not count.
fn busy() -> anyhow::Result<Duration> {
    let schedule = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds = schedule.split_whitespace().next();
    let nanoseconds = nanoseconds.context("no time in schedstat")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// Memory of this process that is in use, in KiB.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmRSS")?.parse()?)
}

//! A task that gets requests, a controller that gives and takes them, and an agent that may be killed in between.

use proptest::prelude::*;

use super::*;
use crate::agent::step::GroupFound;
use crate::agent::wanted::Target;
use crate::api::shapes::TransportProtocol;
use crate::api::task::{TargetHealth, TargetReason, TaskLoadBalancer};
use crate::domain::definition::PortMapping;
use crate::domain::definition::tests_support::container;
use crate::domain::resources::Protocol;
use crate::domain::traffic::check::Group;
use crate::domain::traffic::{PATIENCE, PROPAGATION};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// Deregistration delay of the group.
pub(super) const DELAY: SignedDuration = SignedDuration::from_secs(20);

/// The port on which the application listens.
pub(super) const fn port() -> PortMapping {
    PortMapping {
        container_port: 80,
        host_port: Some(8080),
        protocol: Protocol::Tcp,
        follows: false,
    }
}

pub(super) fn group(check: Option<Check>) -> GroupFound {
    GroupFound::Found(Group {
        check,
        deregistration_delay: Duration::try_from(DELAY).unwrap(),
    })
}

impl World {
    /// A container of it gets requests through the target group `web`.
    pub(super) fn serving(mut self, container: &str) -> Self {
        self.wanted.targets = vec![Target {
            spec: TaskLoadBalancer {
                target_group: "web".into(),
                container_name: container.into(),
                container_port: 80,
                protocol: TransportProtocol::Tcp,
            },
            container_port: 80,
            protocol: Protocol::Tcp,
        }];
        self.orders.clear();
        self.volume_orders.clear();
        self.task = Task::new(self.wanted.clone(), TaskReport::default(), &Listed::new());
        self.step();
        self
    }

    /// The agent hears what the API says.
    pub(super) fn tell_of_traffic(&mut self) {
        self.task.reached(&Reach::At("10.0.0.1".into()));
        self.task.told_of_traffic(&self.traffic, self.now);
        if matches!(self.task.group(0), Some(GroupFound::Unknown)) {
            let found = group(self.check.clone());
            self.task.find_groups(|_| found.clone());
        }
    }

    /// The controller gives it an endpoint.
    pub(super) fn register(&mut self) {
        self.traffic.registered_at = Some(MicroTime(self.now));
        self.traffic.deregistration_delay_seconds = Some(20);
        self.step();
    }

    /// The controller takes its endpoint away.
    pub(super) fn withdraw(&mut self) {
        self.traffic.deregistered_at = Some(MicroTime(self.now));
        self.step();
    }

    pub(super) fn passed_since_withdrawal(&self) -> SignedDuration {
        let at = self.traffic.deregistered_at.as_ref();
        at.map_or(SignedDuration::ZERO, |at| self.now.duration_since(at.0))
    }

    fn is_told_to_end(&self) -> bool {
        let signal = |order: &Order| matches!(order.call, Call::Stop { .. } | Call::Kill);
        self.orders.iter().any(signal)
    }

    pub(super) fn seconds(&mut self, seconds: i64) {
        self.pass(SignedDuration::from_secs(seconds));
    }

    pub(super) fn target(&self) -> (TargetHealth, Option<TargetReason>) {
        let target = &self.task.report().targets[0];
        (target.health, target.reason)
    }
}

pub(super) fn app() -> Container {
    Container {
        image: "app:1".into(),
        port_mappings: vec![port()],
        ..container("app")
    }
}

/// A task that runs and gets requests.
fn served() -> World {
    let mut world = World::of([app()], &[("app:1", Program::default())]).serving("app");
    world.settle(3);
    assert_eq!(world.task.report().state, TaskState::Running);
    world.register();
    world
}

fn stopped(world: &mut World) {
    world.stop(StopCode::ServiceSchedulerInitiated, "Scaling activity");
}

#[test]
fn a_registered_task_gets_its_signal_only_after_the_withdrawal_and_the_delay() {
    let mut world = served();
    stopped(&mut world);
    world.seconds(3);
    assert_eq!(world.task.report().state, TaskState::Deactivating);
    assert!(
        !world.is_told_to_end(),
        "the controller has not withdrawn it"
    );
    world.withdraw();
    world.seconds(19);
    assert!(!world.is_told_to_end());
    assert_eq!(
        world.target(),
        (
            TargetHealth::Draining,
            Some(TargetReason::DeregistrationInProgress)
        )
    );
    assert_eq!(
        world.task.wake(world.now),
        world.now.checked_add(SignedDuration::from_secs(1)).ok()
    );
    world.seconds(1);
    assert!(world.is_told_to_end());
    assert_eq!(world.task.report().state, TaskState::Stopping);
    world.settle(2);
    assert_eq!(world.task.report().state, TaskState::Stopped);
    assert_eq!(
        world.target(),
        (TargetHealth::Unused, Some(TargetReason::InvalidState))
    );
}

#[test]
fn without_open_connections_the_wait_ends_when_every_node_has_heard_of_the_withdrawal() {
    let mut world = served();
    stopped(&mut world);
    world.withdraw();
    world.seconds(4);
    assert!(!world.task.looks_at_connections(), "some may still be made");
    world.seconds(1);
    assert!(world.task.looks_at_connections() && !world.is_told_to_end());
    world.task.has_no_connections();
    world.step();
    assert!(world.is_told_to_end());
    assert!(!world.task.looks_at_connections());
}

#[test]
fn a_task_that_never_got_requests_ends_at_once() {
    let mut world = World::of([app()], &[("app:1", Program::default())]).serving("app");
    world.settle(3);
    stopped(&mut world);
    assert!(
        !world.is_told_to_end(),
        "nobody has said yet that it never did"
    );
    world.withdraw();
    assert!(world.is_told_to_end());
    let mut waiting = World::of([app()], &[]).serving("app");
    stopped(&mut waiting);
    waiting.settle(2);
    assert_eq!(
        waiting.task.report().state,
        TaskState::Stopped,
        "it never ran"
    );
}

#[test]
fn a_controller_that_never_answers_is_waited_for_a_minute_and_then_the_delay_passes() {
    let mut world = served();
    stopped(&mut world);
    let patience = i64::try_from(PATIENCE.as_secs()).unwrap();
    world.seconds(patience + 19);
    assert!(!world.is_told_to_end());
    world.seconds(1);
    assert!(world.is_told_to_end());
}

#[test]
fn a_restarted_agent_goes_on_with_the_same_wait() {
    let mut world = served();
    stopped(&mut world);
    world.withdraw();
    world.seconds(15);
    world.save();
    world.restart_agent(false);
    world.settle(1);
    world.seconds(2);
    assert!(!world.is_told_to_end());
    assert_eq!(world.task.report().state, TaskState::Deactivating);
    world.seconds(2);
    world.quiesce();
    world.hints();
    assert_eq!(
        world.task.report().state,
        TaskState::Stopped,
        "20 s after the withdrawal, however often the agent was restarted"
    );
}

#[test]
fn a_task_that_dies_by_itself_says_so_in_the_first_report_and_waits_for_nobody() {
    let log = Container {
        image: "log:1".into(),
        ..container("log")
    };
    let mut world = World::of(
        [app(), log],
        &[("app:1", Program::default()), ("log:1", Program::default())],
    )
    .serving("app");
    world.settle(3);
    world.register();
    assert_eq!(world.target().0, TargetHealth::Healthy);
    let app = world.name("app");
    world.engine.end(&app, 1, world.now);
    world.hints();
    world.quiesce();
    assert_eq!(
        world.target(),
        (TargetHealth::Unused, Some(TargetReason::InvalidState))
    );
    world.hints();
    assert_eq!(world.task.report().state, TaskState::Stopped);
    let mut world = served();
    stopped(&mut world);
    let app = world.name("app");
    world.engine.end(&app, 1, world.now);
    world.hints();
    world.quiesce();
    assert_eq!(
        world.task.report().state,
        TaskState::Stopped,
        "nobody can be served any more"
    );
}

#[test]
fn a_controllers_wrong_clock_neither_shortens_nor_prolongs_the_wait() {
    for wrong in [-300, 300] {
        let mut world = served();
        stopped(&mut world);
        let told = world.now.checked_add(SignedDuration::from_secs(wrong));
        world.traffic.deregistered_at = Some(MicroTime(told.unwrap()));
        world.traffic.deregistration_delay_seconds = Some(20);
        world.step();
        world.seconds(19);
        assert!(!world.is_told_to_end(), "{wrong} s");
        world.seconds(1);
        assert!(world.is_told_to_end(), "{wrong} s");
    }
}

/// Its object goes, and it has the delay of its target group for what it has begun.
fn finishes_in_twenty_seconds(world: &mut World) {
    world.task.object_is_gone(world.now);
    world.task.discard();
    world.step();
    world.seconds(19);
    assert!(!world.is_told_to_end());
    world.seconds(1);
    assert!(world.is_told_to_end());
}

#[test]
fn a_task_whose_object_has_gone_still_finishes_what_it_has_begun() {
    let mut world = served();
    finishes_in_twenty_seconds(&mut world);
}

/// A namespace that is deleted takes its target groups before its tasks have ended.
#[test]
fn a_target_group_that_is_gone_leaves_the_delay_that_it_had() {
    let mut world = served();
    world.task.find_groups(|_| GroupFound::Missing);
    finishes_in_twenty_seconds(&mut world);
}

#[derive(Debug, Clone)]
enum Event {
    Pass(i64),
    Stop,
    Register,
    Withdraw,
    NoConnections,
    RestartAgent(bool),
    Save,
    End,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        8 => (1_i64..15).prop_map(Event::Pass),
        2 => Just(Event::Stop),
        1 => Just(Event::Register),
        2 => Just(Event::Withdraw),
        1 => Just(Event::NoConnections),
        2 => any::<bool>().prop_map(Event::RestartAgent),
        2 => Just(Event::Save),
        1 => Just(Event::End),
    ];
    proptest::collection::vec(event, 0..40)
}

proptest! {
    /// Whatever happens, nothing is told to end while an endpoint may still be used, and every stop comes to an end.
    #[test]
    fn no_signal_comes_while_an_endpoint_may_be_used_and_every_wait_ends(events in events()) {
        let mut world = served();
        let (mut told_at, mut has_died, mut none_open) = (None, false, false);
        for event in events {
            match event {
                Event::Pass(seconds) => world.seconds(seconds),
                Event::Stop => {
                    told_at.get_or_insert(world.now);
                    stopped(&mut world);
                }
                Event::Register => world.register(),
                Event::Withdraw if told_at.is_some() && world.traffic.deregistered_at.is_none() => world.withdraw(),
                Event::Withdraw => {}
                Event::NoConnections => {
                    if world.task.looks_at_connections() {
                        none_open = true;
                        world.task.has_no_connections();
                        world.step();
                    }
                }
                Event::RestartAgent(reaches) => {
                    none_open = false;
                    world.restart_agent(reaches);
                    world.list();
                }
                Event::Save => world.save(),
                Event::End => {
                    has_died = true;
                    let app = world.name("app");
                    world.engine.end(&app, 1, world.now);
                    world.hints();
                }
            }
            if world.is_told_to_end() && !has_died && world.stored.state < TaskState::Stopping {
                let waited = world.now.duration_since(told_at.unwrap());
                let heard = world.passed_since_withdrawal();
                let answered = world.traffic.deregistered_at.is_some();
                let propagated = heard >= SignedDuration::try_from(PROPAGATION).unwrap();
                // Of a controller that never answers it is believed that it withdrew the endpoints after this.
                let patience = SignedDuration::try_from(PATIENCE).unwrap();
                let believed = patience + SignedDuration::try_from(PROPAGATION).unwrap();
                let over = waited >= patience + DELAY || (none_open && waited >= believed);
                prop_assert!(answered && (heard >= DELAY || (none_open && propagated)) || over, "after {waited:?}, {heard:?} after the withdrawal");
            }
        }
        stopped(&mut world);
        world.settle(100);
        prop_assert_eq!(world.task.report().state, TaskState::Stopped);
    }
}

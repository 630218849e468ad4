//! Tasks whose containers share a network, and the pause container that holds it.

use super::*;
use crate::domain::definition::namespaces::PAUSE;
use crate::domain::definition::tests_support::container;
use crate::domain::definition::{NetworkMode, PortMapping};
use crate::domain::resources::Protocol;

const PAUSE_IMAGE: &str = "pause:1";

/// Two containers behind one address, of which the first maps a port.
fn shop() -> TaskDefinition {
    let mut app = container("app");
    app.port_mappings = vec![PortMapping {
        container_port: 80,
        host_port: None,
        protocol: Protocol::Tcp,
        follows: false,
    }];
    let log = container("log");
    let mut shop = tests_support::definition("shop", [app, log]);
    shop.network_mode = NetworkMode::Awsvpc;
    shop.with_pause(PAUSE_IMAGE)
}

fn running() -> World {
    let image = container("app").image;
    let programs = [
        (PAUSE_IMAGE, Program::default()),
        (image.as_str(), Program::default()),
    ];
    let mut world = World::new(shop(), &programs);
    world.settle(3);
    assert_eq!(world.task.report().state, TaskState::Running);
    world
}

#[test]
fn the_pause_container_comes_first_and_goes_last_and_its_address_and_ports_are_the_tasks() {
    let mut world = running();
    let first = world.engine.deeds().first().unwrap().clone();
    assert_eq!(first, (world.name(PAUSE), Deed::Created));
    let (app, log) = (world.told("app").clone(), world.told("log").clone());
    assert!(app.address.is_some());
    assert_eq!(app.address, log.address);
    assert_eq!(app.bindings[0].container_port, 80);
    assert_eq!(log.bindings, [], "the port is the other's");
    world.restart_agent(true);
    world.settle(2);
    assert_eq!(
        world.told("app"),
        &app,
        "an agent that comes back tells the same"
    );
    world.stop(StopCode::UserInitiated, "enough");
    world.settle(3);
    let last = world.engine.deeds().last().unwrap().clone();
    assert_eq!(last, (world.name(PAUSE), Deed::Ended));
    assert_eq!(world.task.report().state, TaskState::Stopped);
}

#[test]
fn a_task_ends_with_its_pause_container() {
    let mut world = running();
    world.engine.end(&world.name(PAUSE), 137, world.now);
    world.settle(3);
    let report = world.task.report();
    assert_eq!(report.state, TaskState::Stopped);
    let stop = report.stop.as_ref().unwrap();
    assert_eq!(stop.code, StopCode::EssentialContainerExited);
    assert!(world.engine.live().is_empty());
}

#[test]
fn a_pause_container_that_vanished_while_the_agent_was_down_is_not_made_anew() {
    let mut world = running();
    world.engine.vanish(&world.name(PAUSE));
    world.restart_agent(true);
    world.settle(4);
    assert_eq!(world.task.report().state, TaskState::Stopped);
    let pause = world.name(PAUSE);
    let made = world.engine.deeds().iter();
    let made = made.filter(|deed| **deed == (pause.clone(), Deed::Created));
    assert_eq!(made.count(), 1, "the others would not be in its network");
}

#[test]
fn the_task_says_why_its_pause_container_could_not_be_started() {
    let broken = Program {
        start_error: Some("exec format error".into()),
        ..Program::default()
    };
    let image = container("app").image;
    let programs = [(PAUSE_IMAGE, broken), (&image, Program::default())];
    let mut world = World::new(shop(), &programs);
    world.settle(4);
    let stop = world.task.report().stop.clone().unwrap();
    assert_eq!(stop.code, StopCode::TaskFailedToStart);
    assert!(
        stop.reason.starts_with(
            "ResourceInitializationError: resource cannot be initialized for task arn:"
        ) && stop
            .reason
            .ends_with(": CannotStartContainerError: exec format error"),
        "{}",
        stop.reason
    );
}

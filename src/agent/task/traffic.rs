//! A task's part with traffic: what it is told of it, and when its targets are to be checked.

use jiff::{SignedDuration, Timestamp};

use super::Task;
use crate::agent::step::{GroupFound, Reach, TargetTraffic};
use crate::api::task::TaskTraffic;
use crate::domain::events;
use crate::domain::resources::Protocol;
use crate::domain::task::{Stop, StopCode, TaskState};
use crate::domain::traffic::check::{Check, Failure};

/// When a target is to be checked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Checking {
    is_under_way: bool,
    /// At once, where there is none.
    again_at: Option<Timestamp>,
}

/// A check to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOrder {
    /// Which of the task's targets.
    pub target: usize,
    /// What to ask, and for how long to wait.
    pub check: Check,
    /// Address and port that are asked.
    pub address: String,
    /// The port.
    pub port: u16,
}

impl Task {
    /// Takes in what the controller says of the task's traffic.
    pub fn told_of_traffic(&mut self, traffic: &TaskTraffic, now: Timestamp) {
        self.traffic.told(traffic, now);
    }

    /// The task's object is gone: it is over, and who was sent requests to it learns so from that.
    pub fn object_is_gone(&mut self, now: Timestamp) {
        if !self.wanted.targets.is_empty() {
            self.traffic.object_is_gone(now);
            self.wanted.end.get_or_insert_with(|| Stop {
                code: StopCode::UserInitiated,
                reason: events::STOPPED_BY_USER.to_owned(),
            });
        }
    }

    /// Takes in where the instance's ports are reached.
    pub fn reached(&mut self, reach: &Reach) {
        if self.traffic.reach != *reach {
            self.traffic.reach.clone_from(reach);
        }
    }

    /// Takes in what the target groups of its targets say, as `find` finds them by name. Says whether anything is new.
    pub fn find_groups(&mut self, find: impl Fn(&str) -> GroupFound) -> bool {
        let mut news = false;
        for (target, known) in self.wanted.targets.iter().zip(&mut self.traffic.targets) {
            let found = find(&target.spec.target_group);
            if known.group != found {
                known.group = found;
                news = true;
            }
        }
        news
    }

    /// What was found of the group of one of its targets.
    #[must_use]
    pub fn group(&self, target: usize) -> Option<&GroupFound> {
        let known = self.traffic.targets.get(target)?;
        Some(&known.group)
    }

    /// Whether somebody has to look at its open connections.
    #[must_use]
    pub const fn looks_at_connections(&self) -> bool {
        self.looks_at_connections
    }

    /// No connection to it is open.
    pub const fn has_no_connections(&mut self) {
        self.traffic.has_no_connections = true;
    }

    /// The checks that are due. They count as under way from now on.
    pub fn checks_due(&mut self, now: Timestamp) -> Vec<CheckOrder> {
        let mut orders = Vec::new();
        for target in 0..self.checks.len() {
            let due = self.check_at(target).is_some_and(|at| at <= now);
            let order = due.then(|| self.check(target)).flatten();
            if let (Some(order), Some(checking)) = (order, self.checks.get_mut(target)) {
                checking.is_under_way = true;
                orders.push(order);
            }
        }
        orders
    }

    /// When the next check is due.
    #[must_use]
    pub fn next_check(&self) -> Option<Timestamp> {
        (0..self.checks.len())
            .filter_map(|target| self.check_at(target))
            .min()
    }

    /// Takes in what a check came to.
    pub fn checked(&mut self, order: &CheckOrder, answer: Result<(), Failure>, now: Timestamp) {
        let found = self.traffic.targets.get_mut(order.target);
        let (Some(known), Some(checking)) = (found, self.checks.get_mut(order.target)) else {
            return;
        };
        checking.is_under_way = false;
        let pause = known.checked.take(answer, &order.check, now);
        let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
        checking.again_at = now.checked_add(pause).ok();
    }

    /// When a target is to be checked; never while it is, or where nothing is to be found out.
    fn check_at(&self, target: usize) -> Option<Timestamp> {
        let checking = self.checks.get(target)?;
        let is_checked = !checking.is_under_way
            && self.report.state == TaskState::Running
            && self.check(target).is_some();
        is_checked.then(|| checking.again_at.unwrap_or(Timestamp::MIN))
    }

    fn check(&self, target: usize) -> Option<CheckOrder> {
        let known: &TargetTraffic = self.traffic.targets.get(target)?;
        let GroupFound::Found(group) = &known.group else {
            return None;
        };
        let Reach::At(address) = &self.traffic.reach else {
            return None;
        };
        let check = group.check.clone()?;
        let wanted = self.wanted.targets.get(target)?;
        let tcp = |port| (port, Protocol::Tcp);
        let port = check.port.map_or_else(|| wanted.port(), tcp);
        Some(CheckOrder {
            target,
            address: address.clone(),
            port: self.report.host_port(&self.wanted, wanted, port)?,
            check,
        })
    }
}

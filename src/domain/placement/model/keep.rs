//! Keeps what a model knows of its instances in step with them.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::bits::Slot;
use super::order::Orders;
use super::places::Places;
use super::values::Values;
use super::{Model, Seat};
use crate::domain::placement::group::Count;
use crate::domain::placement::{Group, Holding, Instance, Spread, Strategy, ports};
use crate::domain::resources::HostPort;

impl Model {
    pub(super) fn seat(&self, slot: Slot) -> Option<&Seat> {
        self.seats.get(slot.index())?.as_ref()
    }

    pub(super) fn ports_in_use(&self) -> impl Iterator<Item = HostPort> + Clone {
        self.ports.keys().copied()
    }

    /// Puts an instance on an empty seat.
    pub(super) fn occupy(&mut self, slot: Slot, seat: Seat) {
        self.failures.clear();
        let instance = &seat.instance;
        self.names.insert(instance.name.clone(), slot);
        self.values.enter(slot, instance);
        self.shapes.enter(slot, instance);
        for (group, count) in instance.groups.counts() {
            let places = self.groups.entry(Arc::clone(group)).or_default();
            places.set(slot, count, &self.values);
        }
        self.count_ports(held_by(instance), true);
        if let Some(orders) = &mut self.orders {
            orders.insert(slot, &seat);
        }
        if self.seats.len() <= slot.index() {
            self.seats.resize(slot.index() + 1, None);
        }
        if let Some(empty) = self.seats.get_mut(slot.index()) {
            *empty = Some(seat);
        }
    }

    /// Takes the instance from a seat, and all that follows from it.
    pub(super) fn vacate(&mut self, slot: Slot) -> Option<Seat> {
        self.failures.clear();
        let seat = self.seats.get_mut(slot.index())?.take()?;
        if let Some(orders) = &mut self.orders {
            orders.remove(&seat);
        }
        for (group, _) in seat.instance.groups.counts() {
            if let Entry::Occupied(mut places) = self.groups.entry(Arc::clone(group)) {
                places.get_mut().set(slot, Count::default(), &self.values);
                if places.get().is_empty() {
                    places.remove();
                }
            }
        }
        self.count_ports(held_by(&seat.instance), false);
        self.values.leave(slot);
        self.shapes.leave(slot);
        Some(seat)
    }

    /// Changes what the tasks of an instance hold.
    pub(super) fn change(&mut self, slot: Slot, change: impl FnOnce(&mut Instance)) {
        if let Some(seat) = self.seats.get_mut(slot.index()).and_then(Option::as_mut) {
            self.failures.clear();
            if let Some(orders) = &mut self.orders {
                orders.remove(seat);
            }
            change(&mut seat.instance);
            if let Some(orders) = &mut self.orders {
                orders.insert(slot, seat);
            }
        }
    }

    pub(super) fn count_ports(&mut self, held: impl Iterator<Item = HostPort>, taken: bool) {
        for port in held.filter(|port| ports::is_dynamic(*port)) {
            let holders = self.ports.entry(port).or_default();
            if taken {
                *holders += 1;
            } else {
                *holders = holders.saturating_sub(1);
            }
            if *holders == 0 {
                self.ports.remove(&port);
            }
        }
    }

    /// Brings to mind what a search by these strategies goes by.
    pub(super) fn prepare(&mut self, strategies: &[Strategy], group: &Group) {
        if self.values.is_full(self.names.len()) {
            self.values = Values::default();
            self.groups.values_mut().for_each(Places::forget_tallies);
        }
        let seats = &self.seats;
        for strategy in strategies {
            if let Strategy::Spread(Spread::Attribute(name)) = strategy {
                let attribute = self.values.attribute(name, seated(seats));
                if let Some(places) = self.groups.get_mut(group) {
                    places.tally(attribute, &self.values);
                }
            }
        }
        if self.orders.is_none() {
            let slots = self.names.values();
            for (rank, slot) in (0..).zip(slots) {
                if let Some(seat) = self.seats.get_mut(slot.index()).and_then(Option::as_mut) {
                    seat.rank = rank;
                }
            }
            self.orders = Some(Orders::new(seated(&self.seats)));
        }
    }
}

/// The seats that are taken.
pub(super) fn seated(seats: &[Option<Seat>]) -> impl Iterator<Item = (Slot, &Seat)> + Clone {
    let seats = seats.iter().enumerate();
    seats.filter_map(|(index, seat)| Some((Slot::of_index(index), seat.as_ref()?)))
}

/// All host ports of a task.
pub(super) fn held_ports(holding: &Holding) -> impl Iterator<Item = HostPort> {
    let chosen = holding.ports.iter();
    holding.demand.ports.iter().chain(chosen).copied()
}

/// All host ports that the tasks of an instance hold.
fn held_by(instance: &Instance) -> impl Iterator<Item = HostPort> {
    let held = instance.held.ports.iter();
    held.flat_map(|(port, holders)| (0..*holders).map(|_| *port))
}

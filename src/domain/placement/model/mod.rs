//! The instances of one cluster and what their tasks hold, kept so that a placement need not look at all of them.
//!
//! # Expected flow
//! What an instance offers comes by [`Model::upsert`] and goes by [`Model::remove`]; what a task holds comes by [`Model::take`]
//! and goes by [`Model::give_back`]. [`Model::place`] chooses and changes nothing: whoever starts the task tells it by
//! [`Model::take`].
//!
//! # Guarantees
//! The choice is the one that [`super::naive`] makes. All that is kept beside the instances follows from them: a model that
//! went through any changes chooses as one that was built of the same instances does.
//!
//! # What is kept
//! - for each shape of request, the instances that meet what tasks cannot change ([`shapes`]);
//! - the instances in order of CPU and memory left, and of tasks ([`order`]);
//! - for each group, on which instances it has tasks, and how many for each value that they are spread over ([`places`]).

mod bits;
mod keep;
mod order;
mod places;
mod search;
mod shapes;
mod values;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use bits::Slot;
use keep::held_ports;
use order::Orders;
use places::Places;
use search::{Search, shape};
use shapes::Shapes;
use values::Values;

use super::strategy::or_default;
use super::suits::{examine, is_eligible, ports_on};
use super::{Explanation, Group, Holding, Instance, Placement, Request, Unsuitable};
use crate::domain::resources::HostPort;

use crate::domain::ids::draw;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Model {
    names: BTreeMap<String, Slot>,
    seats: Vec<Option<Seat>>,
    free: Vec<Slot>,
    shapes: Shapes,
    values: Values,
    groups: BTreeMap<Arc<Group>, Places>,
    /// Dynamic ports in use, and by how many tasks.
    ports: BTreeMap<HostPort, u32>,
    /// None while the ranks are to be given anew.
    orders: Option<Orders>,
    /// What could not be placed since the last change, by a hash over what was asked.
    failures: BTreeMap<u64, Explanation>,
}

#[derive(Debug, Clone)]
struct Seat {
    instance: Instance,
    /// Its place among the names.
    rank: u32,
    /// What its name stands for in a draw.
    drawn: u64,
}

impl FromIterator<Instance> for Model {
    fn from_iter<I: IntoIterator<Item = Instance>>(instances: I) -> Self {
        let mut model = Self::default();
        for instance in instances {
            model.upsert(instance);
        }
        model
    }
}

impl Model {
    /// Adds an instance with what its tasks hold; of one that is known what it offers is replaced, and what its tasks hold
    /// stays as it was counted.
    pub fn upsert(&mut self, mut instance: Instance) {
        let Some(slot) = self.names.get(&instance.name).copied() else {
            // It comes between others: all ranks are given anew before the next placement.
            self.orders = None;
            let next = Slot::of_index(self.seats.len());
            let slot = self.free.pop().unwrap_or(next);
            let seat = Seat {
                rank: 0,
                drawn: draw(&instance.name),
                instance,
            };
            self.occupy(slot, seat);
            return;
        };
        if let Some(Seat {
            instance: known, ..
        }) = self.seat(slot)
        {
            instance.held.clone_from(&known.held);
            instance.groups.clone_from(&known.groups);
            instance.running = known.running;
            if instance == *known {
                return;
            }
        }
        if let Some(seat) = self.vacate(slot) {
            self.occupy(slot, Seat { instance, ..seat });
        }
    }

    /// Forgets an instance and what its tasks hold.
    pub fn remove(&mut self, name: &str) {
        if let Some(slot) = self.names.remove(name) {
            self.vacate(slot);
            self.free.push(slot);
        }
    }

    /// Counts a task on an instance; on one that is not known it counts nowhere.
    pub fn take(&mut self, instance: &str, holding: &Holding) {
        let Some(slot) = self.names.get(instance).copied() else {
            return;
        };
        self.change(slot, |instance| instance.take(holding));
        for group in holding.groups() {
            let places = self.groups.entry(Arc::clone(group)).or_default();
            places.add(slot, holding.ending, &self.values);
        }
        self.count_ports(held_ports(holding), true);
    }

    /// Counts a task no more that [`Model::take`] counted on this instance.
    pub fn give_back(&mut self, instance: &str, holding: &Holding) {
        let Some(slot) = self.names.get(instance).copied() else {
            return;
        };
        self.change(slot, |instance| instance.give_back(holding));
        for group in holding.groups() {
            if let Entry::Occupied(mut places) = self.groups.entry(Arc::clone(group)) {
                places.get_mut().remove(slot, holding.ending, &self.values);
                if places.get().is_empty() {
                    places.remove();
                }
            }
        }
        self.count_ports(held_ports(holding), false);
    }

    /// Chooses an instance for one task, and the task's dynamic ports.
    ///
    /// # Errors
    /// Says what the instances lack. This alone looks at all of them, once for equal requests without a change between.
    pub fn place(&mut self, request: &Request<'_>) -> Result<Placement, Explanation> {
        let asked = (!self.failures.is_empty()).then(|| shape(request));
        if let Some(known) = asked.and_then(|shape| self.failures.get(&shape)) {
            return Err(known.clone());
        }
        let strategies = or_default(request.strategies);
        self.prepare(&strategies, request.counted());
        let suitable = self.suitable(request);
        let found = Search::new(self, request)
            .and_then(|search| search.best(&strategies, suitable))
            .and_then(|(slot, ports)| Some((self.seat(slot)?, ports)));
        if let Some((seat, dynamic_ports)) = found {
            return Ok(Placement {
                instance: seat.instance.name.clone(),
                dynamic_ports,
            });
        }
        let explanation = self.explain(request);
        self.failures.insert(shape(request), explanation.clone());
        Err(explanation)
    }

    /// Chooses the dynamic ports of a task that goes to this very instance.
    ///
    /// # Errors
    /// Says what the instance lacks; of one that is not known nothing.
    pub fn place_on(&self, name: &str, request: &Request<'_>) -> Result<Placement, Explanation> {
        let instance = self.instance(name).ok_or_else(Explanation::default)?;
        let lacks = |reason| {
            let explanation: Explanation = [(name, reason)].into_iter().collect();
            explanation.naming_attributes(request, |_| Some(instance))
        };
        if let Some(reason) = examine(instance, request) {
            return Err(lacks(reason));
        }
        let ports = ports_on(instance, request, self.ports_in_use());
        Ok(Placement {
            instance: name.to_owned(),
            dynamic_ports: ports.ok_or_else(|| lacks(Unsuitable::Ports))?,
        })
    }

    /// The instances on which the task may run, whatever else they hold and whether they can be reached, in order of their
    /// names: they have the attributes and meet the constraints. That tasks be on distinct instances is left aside.
    pub fn eligible<'a>(&'a self, request: &'a Request<'_>) -> impl Iterator<Item = &'a Instance> {
        self.instances()
            .filter(|instance| is_eligible(instance, request))
    }

    /// All instances, in order of their names.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> + Clone {
        let seats = self.names.values().filter_map(|slot| self.seat(*slot));
        seats.map(|seat| &seat.instance)
    }

    /// The instance of this name.
    pub fn instance(&self, name: &str) -> Option<&Instance> {
        let seat = self.seat(*self.names.get(name)?)?;
        Some(&seat.instance)
    }
}

//! Finds the instance that the strategies prefer without asking all of them.
//!
//! A strategy narrows a set of instances to those that it likes best. Here the set holds instances that may turn out not to
//! have room, so each strategy offers its best first and the next best where none of those has: `spread` the values with the
//! fewest tasks, `binpack` the instances with the least left, in their order. Only the instances that are offered are asked.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::bits::{Bits, Slot};
use super::keep::seated;
use super::order::{Left, Order, Orders, Place};
use super::places::Places;
use super::{Model, Seat};
use crate::domain::ids::draw;
use crate::domain::placement::strategy::lot;
use crate::domain::placement::suits::{examine, ports_on};
use crate::domain::placement::{
    Constraint, Explanation, Packed, Request, Spread, Strategy, Unsuitable,
};
use crate::domain::resources::HostPort;

/// As many instances are asked one by one rather than looked for in an order of all; few in tests, which have few.
const FEW: u32 = if cfg!(test) { 2 } else { 32 };

/// An instance that has room, and the task's dynamic ports there.
pub(super) type Found = (Slot, Vec<HostPort>);

/// One search.
pub(super) struct Search<'a> {
    model: &'a Model,
    orders: &'a Orders,
    request: &'a Request<'a>,
    places: Option<&'a Places>,
    needed: Left,
    /// Rules whose answer changes with tasks.
    fleeting: Vec<&'a Constraint>,
}

impl Model {
    /// Instances that meet what is known of them: all but the resources, and expressions over their tasks.
    pub(super) fn suitable(&mut self, request: &Request<'_>) -> Bits {
        let mut suitable = self.shapes.suitable(request, seated(&self.seats));
        for name in request.excluded {
            if let Some(slot) = self.names.get(name) {
                suitable.remove(*slot);
            }
        }
        let distinct = request.constraints.contains(&&Constraint::DistinctInstance);
        if let Some(places) = self.groups.get(request.group).filter(|_| distinct) {
            suitable = suitable.without(places.staying());
            for slot in places.ending_only() {
                suitable.remove(slot);
            }
        }
        suitable
    }

    /// What each instance lacks for a task that was placed nowhere, in order of their names.
    pub fn reasons<'a>(
        &'a self,
        request: &'a Request<'_>,
    ) -> impl Iterator<Item = (&'a str, Unsuitable)> {
        let reason = |instance| examine(instance, request).unwrap_or(Unsuitable::Ports);
        self.instances()
            .map(move |instance| (instance.name.as_str(), reason(instance)))
    }

    pub(super) fn explain(&self, request: &Request<'_>) -> Explanation {
        let explanation: Explanation = self.reasons(request).collect();
        explanation.naming_attributes(request, |name| self.instance(name))
    }
}

/// A number that stands for what a request asks, but for its strategies: equal requests fail alike.
pub(super) fn shape(request: &Request<'_>) -> u64 {
    let Request {
        demand,
        attributes,
        group,
        spread_group: _,
        constraints,
        strategies: _,
        seed: _,
        excluded,
        unusable,
    } = request;
    let mut hasher = DefaultHasher::new();
    (demand, attributes, group, constraints, excluded, unusable).hash(&mut hasher);
    hasher.finish()
}

impl<'a> Search<'a> {
    pub(super) fn new(model: &'a Model, request: &'a Request<'a>) -> Option<Self> {
        let rules = request.constraints.iter().copied();
        let fleeting = |rule: &&Constraint| match rule {
            Constraint::DistinctInstance => false,
            Constraint::AtMost(_) => true,
            Constraint::MemberOf(expression) => !expression.is_lasting(),
        };
        Some(Self {
            model,
            orders: model.orders.as_ref()?,
            request,
            places: model.groups.get(request.counted()),
            needed: Left::needed(request.demand),
            fleeting: rules.filter(fleeting).collect(),
        })
    }

    /// The preferred one of `among` that has room.
    pub(super) fn best(&self, strategies: &[Strategy], among: Bits) -> Option<Found> {
        if among.is_empty() {
            return None;
        }
        match strategies {
            [] | [Strategy::Spread(Spread::Instance)] => {
                self.over_instances(among, |level| self.first(self.orders.by_tasks(), 0, &level))
            }
            [Strategy::Spread(Spread::Instance), next @ ..] => {
                self.over_instances(among, |level| self.best(next, level))
            }
            [Strategy::Spread(Spread::Attribute(name)), next @ ..] => {
                self.over_values(name, among, |level| self.best(next, level))
            }
            [Strategy::Binpack(packed), next @ ..] => self.packed(*packed, next, &among),
            [Strategy::Random, ..] => self.drawn(&among),
        }
    }

    /// Those with the fewest tasks of the group first.
    fn over_instances(&self, among: Bits, best: impl Fn(Bits) -> Option<Found>) -> Option<Found> {
        let Some(places) = self.places else {
            return best(among);
        };
        best(among.clone().without(places.staying())).or_else(|| {
            places.levels().find_map(|(_, level)| {
                let mut least = Bits::default();
                least.insert_common(&level, &among);
                best(least)
            })
        })
    }

    /// Those first whose value of an attribute has the fewest tasks of the group.
    fn over_values(
        &self,
        name: &str,
        among: Bits,
        best: impl Fn(Bits) -> Option<Found>,
    ) -> Option<Found> {
        let values = &self.model.values;
        let (Some(attribute), Some(places)) = (values.find(name), self.places) else {
            return best(among);
        };
        let tallied = places.tallied(attribute);
        let having = |value| values.having(attribute, value);
        let without_tasks = tallied
            .iter()
            .filter_map(|(_, value)| having(*value))
            .fold(among.clone(), Bits::without);
        best(without_tasks).or_else(|| {
            tallied.chunk_by(|(a, _), (b, _)| a == b).find_map(|level| {
                let mut least = Bits::default();
                for having in level.iter().filter_map(|(_, value)| having(*value)) {
                    least.insert_common(having, &among);
                }
                best(least)
            })
        })
    }

    /// Those with the least left first; of several with as much, whatever is preferred next.
    fn packed(&self, packed: Packed, next: &[Strategy], among: &Bits) -> Option<Found> {
        let least = self.needed.packed(packed);
        let order = self.orders.by(packed);
        let (first, ports) = self.first(order, least, among)?;
        let left = self.left(first)?.packed(packed);
        if next.is_empty() && self.staying_on(first) == 0 {
            return Some((first, ports));
        }
        let mut equal = Bits::default();
        order
            .fitting(left, self.needed)
            .take_while(|entry| entry.place.measure == left)
            .filter(|entry| among.has(entry.slot))
            .for_each(|entry| equal.insert(entry.slot));
        self.best(next, equal)
    }

    /// The one with the lowest lot.
    fn drawn(&self, among: &Bits) -> Option<Found> {
        let seed = draw(self.request.seed);
        let mut best: Option<(u64, &str, Found)> = None;
        for slot in among.iter() {
            let Some(Seat {
                instance, drawn, ..
            }) = self.model.seat(slot)
            else {
                continue;
            };
            let (lot, name) = (lot(seed, *drawn), instance.name.as_str());
            let lowest = best.as_ref();
            if lowest.is_none_or(|(lowest, other, _)| (lot, name) < (*lowest, *other))
                && let Some(ports) = self.admits(slot)
            {
                best = Some((lot, name, (slot, ports)));
            }
        }
        best.map(|(_, _, found)| found)
    }

    /// The first of `among` in an order that has room.
    fn first(&self, order: &Order, from: u32, among: &Bits) -> Option<Found> {
        if !among.is_few(FEW) {
            return order
                .fitting(from, self.needed)
                .filter(|entry| among.has(entry.slot))
                .find_map(|entry| Some((entry.slot, self.admits(entry.slot)?)));
        }
        let mut few: Vec<(Place, Slot)> = among
            .iter()
            .filter_map(|slot| Some((order.place(self.model.seat(slot)?), slot)))
            .collect();
        few.sort_unstable();
        few.into_iter()
            .find_map(|(_, slot)| Some((slot, self.admits(slot)?)))
    }

    /// The task's dynamic ports on an instance that has room for it and meets the rules about its tasks.
    fn admits(&self, slot: Slot) -> Option<Vec<HostPort>> {
        let instance = &self.model.seat(slot)?.instance;
        let request = self.request;
        let fits = instance
            .held
            .shortage(instance.capacity, request.demand)
            .is_none();
        let met = |rule: &&Constraint| rule.broken_by(instance, request.group).is_none();
        if !fits || !self.fleeting.iter().all(met) {
            return None;
        }
        ports_on(instance, request, self.model.ports_in_use())
    }

    fn left(&self, slot: Slot) -> Option<Left> {
        Some(Left::of(&self.model.seat(slot)?.instance))
    }

    fn staying_on(&self, slot: Slot) -> u32 {
        self.places.map_or(0, |places| places.staying_on(slot))
    }
}

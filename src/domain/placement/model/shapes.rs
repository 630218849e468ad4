//! Which instances meet what does not change with their tasks: ACTIVE, connected, the attributes that a task needs, the
//! expressions over them. Tasks that ask the same share the answer, and it is kept until the instance itself changes.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Seat;
use super::bits::{Bits, Slot};
use crate::domain::placement::suits::{lacks_attribute, out_of_reach};
use crate::domain::placement::{Attributes, Constraint, Group, Instance, Request};

/// Answers that are kept; beyond, all are forgotten and those that are still asked for come back.
const MOST: usize = 256;

#[derive(Debug, Clone)]
struct Shape {
    attributes: Attributes,
    constraints: Vec<Constraint>,
    suitable: Bits,
}

/// See the module. By a hash over what is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Shapes(BTreeMap<u64, Vec<Shape>>);

impl Shapes {
    /// The instances that meet what a request asks and tasks cannot change.
    pub(super) fn suitable<'a>(
        &mut self,
        request: &Request<'_>,
        seats: impl Iterator<Item = (Slot, &'a Seat)>,
    ) -> Bits {
        let key = key(request);
        let known = self.0.get(&key).into_iter().flatten();
        if let Some(shape) = known.into_iter().find(|shape| shape.is_of(request)) {
            return shape.suitable.clone();
        }
        let mut shape = Shape {
            attributes: request.attributes.clone(),
            constraints: lasting(request).cloned().collect(),
            suitable: Bits::default(),
        };
        for (slot, seat) in seats {
            shape.look(slot, &seat.instance);
        }
        let suitable = shape.suitable.clone();
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.entry(key).or_default().push(shape);
        suitable
    }

    /// Looks at an instance that is new or has changed.
    pub(super) fn enter(&mut self, slot: Slot, instance: &Instance) {
        for shape in self.0.values_mut().flatten() {
            shape.look(slot, instance);
        }
    }

    pub(super) fn leave(&mut self, slot: Slot) {
        for shape in self.0.values_mut().flatten() {
            shape.suitable.remove(slot);
        }
    }
}

impl Shape {
    fn is_of(&self, request: &Request<'_>) -> bool {
        self.attributes == *request.attributes && self.constraints.iter().eq(lasting(request))
    }

    fn look(&mut self, slot: Slot, instance: &Instance) {
        // A lasting rule asks for nothing of the group, so that any will do.
        let nobody = Group {
            namespace: String::new(),
            name: String::new(),
        };
        let met = |rule: &Constraint| rule.broken_by(instance, &nobody).is_none();
        let suitable = out_of_reach(instance).is_none()
            && !lacks_attribute(instance, &self.attributes)
            && self.constraints.iter().all(met);
        self.suitable.set(slot, suitable);
    }
}

fn lasting<'a>(request: &Request<'a>) -> impl Iterator<Item = &'a Constraint> {
    let rules = request.constraints.iter().copied();
    rules.filter(|rule| rule.is_lasting())
}

fn key(request: &Request<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.attributes.hash(&mut hasher);
    lasting(request).for_each(|rule| rule.hash(&mut hasher));
    hasher.finish()
}

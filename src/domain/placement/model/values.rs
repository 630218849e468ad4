//! The values that instances have for the attributes that tasks are spread over. An attribute is looked at from its first
//! use on.

use std::collections::BTreeMap;

use super::Seat;
use super::bits::{Bits, Slot};
use crate::domain::placement::Instance;

/// Attributes that are kept in mind; beyond, all are forgotten and those that are still used come back.
const MOST: usize = 64;

/// An attribute that tasks are spread over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attribute(usize);

/// One of its values; to have none is one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Value(usize);

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    attributes: BTreeMap<String, Attribute>,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, Default)]
struct Column {
    values: BTreeMap<Option<String>, Value>,
    /// Value of each slot.
    of: Vec<Value>,
    /// Instances with each value.
    having: Vec<Bits>,
}

impl Column {
    fn enter(&mut self, slot: Slot, value: Option<&String>) {
        let next = Value(self.having.len());
        let value = *self.values.entry(value.cloned()).or_insert(next);
        if value == next {
            self.having.push(Bits::default());
        }
        if let Some(having) = self.having.get_mut(value.0) {
            having.insert(slot);
        }
        if self.of.len() <= slot.index() {
            self.of.resize(slot.index() + 1, Value::default());
        }
        if let Some(known) = self.of.get_mut(slot.index()) {
            *known = value;
        }
    }

    fn leave(&mut self, slot: Slot) {
        let value = self.of.get(slot.index()).copied().unwrap_or_default();
        if let Some(having) = self.having.get_mut(value.0) {
            having.remove(slot);
        }
    }
}

impl Values {
    /// The attribute of this name; the instances are asked for their values where it was not in use.
    pub(super) fn attribute<'a>(
        &mut self,
        name: &str,
        seats: impl Iterator<Item = (Slot, &'a Seat)>,
    ) -> Attribute {
        if let Some(known) = self.attributes.get(name) {
            return *known;
        }
        let mut column = Column::default();
        for (slot, seat) in seats {
            column.enter(slot, seat.instance.attributes.get(name));
        }
        let attribute = Attribute(self.columns.len());
        self.columns.push(column);
        self.attributes.insert(name.to_owned(), attribute);
        attribute
    }

    /// Whether there is more in mind than is in use: too many attributes, or values that went with their instances.
    pub(super) fn is_full(&self, instances: usize) -> bool {
        let outlived = |column: &Column| column.having.len() > 2 * instances + MOST;
        self.columns.len() >= MOST || self.columns.iter().any(outlived)
    }

    pub(super) fn find(&self, name: &str) -> Option<Attribute> {
        self.attributes.get(name).copied()
    }

    pub(super) fn enter(&mut self, slot: Slot, instance: &Instance) {
        for (name, attribute) in &self.attributes {
            if let Some(column) = self.columns.get_mut(attribute.0) {
                column.enter(slot, instance.attributes.get(name));
            }
        }
    }

    pub(super) fn leave(&mut self, slot: Slot) {
        for column in &mut self.columns {
            column.leave(slot);
        }
    }

    pub(super) fn of(&self, attribute: Attribute, slot: Slot) -> Value {
        let column = self.columns.get(attribute.0);
        let value = column.and_then(|column| column.of.get(slot.index()));
        value.copied().unwrap_or_default()
    }

    /// Instances with a value.
    pub(super) fn having(&self, attribute: Attribute, value: Value) -> Option<&Bits> {
        self.columns.get(attribute.0)?.having.get(value.0)
    }
}

//! Where the tasks of each group are: on which instances, and how many for each value of an attribute that they are spread
//! over.

use std::collections::{BTreeMap, BTreeSet};

use super::bits::{Bits, Slot};
use super::values::{Attribute, Value, Values};
use crate::domain::placement::group::Count;

/// The tasks of one group.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    counts: BTreeMap<Slot, Count>,
    /// Instances with a task that is to stay.
    staying: Bits,
    /// The same instances by how many they have; those with 0 have only tasks that end.
    by_count: BTreeSet<(u32, Slot)>,
    /// Tasks that are to stay, for each value of the attributes that were asked for.
    tallies: BTreeMap<Attribute, BTreeMap<Value, u64>>,
}

impl Places {
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub(super) fn staying_on(&self, slot: Slot) -> u32 {
        self.counts.get(&slot).map_or(0, |count| count.staying)
    }

    /// Instances with a task that is to stay.
    pub(super) const fn staying(&self) -> &Bits {
        &self.staying
    }

    /// Instances whose tasks all end.
    pub(super) fn ending_only(&self) -> impl Iterator<Item = Slot> {
        self.by_count.range(..(1, Slot(0))).map(|(_, slot)| *slot)
    }

    /// Instances with tasks that are to stay, those with the fewest first.
    pub(super) fn levels(&self) -> impl Iterator<Item = (u32, Bits)> {
        let mut left = self.by_count.range((1, Slot(0))..).peekable();
        std::iter::from_fn(move || {
            let (count, first) = *left.next()?;
            let mut level = Bits::default();
            level.insert(first);
            while let Some((_, slot)) = left.next_if(|(next, _)| *next == count) {
                level.insert(*slot);
            }
            Some((count, level))
        })
    }

    pub(super) fn add(&mut self, slot: Slot, ending: bool, values: &Values) {
        self.change(slot, values, |count| count.add(ending));
    }

    pub(super) fn remove(&mut self, slot: Slot, ending: bool, values: &Values) {
        self.change(slot, values, |count| {
            count.remove(ending);
        });
    }

    /// Takes in all the tasks of an instance that is new, or none of one that is gone.
    pub(super) fn set(&mut self, slot: Slot, count: Count, values: &Values) {
        self.change(slot, values, |known| *known = count);
    }

    fn change(&mut self, slot: Slot, values: &Values, change: impl FnOnce(&mut Count)) {
        let count = self.counts.entry(slot).or_default();
        let before = *count;
        change(count);
        let after = *count;
        if after == Count::default() {
            self.counts.remove(&slot);
        }
        if before != Count::default() {
            self.by_count.remove(&(before.staying, slot));
        }
        if after != Count::default() {
            self.by_count.insert((after.staying, slot));
        }
        self.staying.set(slot, after.staying > 0);
        for (attribute, tally) in &mut self.tallies {
            let value = values.of(*attribute, slot);
            let tasks = tally.entry(value).or_default();
            *tasks = (*tasks + u64::from(after.staying)).saturating_sub(before.staying.into());
            if *tasks == 0 {
                tally.remove(&value);
            }
        }
    }

    /// Counts the tasks for each value of an attribute from now on.
    pub(super) fn tally(&mut self, attribute: Attribute, values: &Values) {
        if self.tallies.contains_key(&attribute) {
            return;
        }
        let mut tally: BTreeMap<Value, u64> = BTreeMap::new();
        for (slot, count) in self.counts.iter().filter(|(_, count)| count.staying > 0) {
            *tally.entry(values.of(attribute, *slot)).or_default() += u64::from(count.staying);
        }
        self.tallies.insert(attribute, tally);
    }

    /// The values that have tasks, those with the fewest first.
    pub(super) fn tallied(&self, attribute: Attribute) -> Vec<(u64, Value)> {
        let tally = self.tallies.get(&attribute).into_iter().flatten();
        let mut tally: Vec<(u64, Value)> = tally.map(|(value, tasks)| (*tasks, *value)).collect();
        tally.sort_unstable();
        tally
    }

    /// Values have changed: what was counted for each is void.
    pub(super) fn forget_tallies(&mut self) {
        self.tallies.clear();
    }
}

//! Instances in the order of something that changes with every task, in blocks that know the most that any of their
//! instances has left: a search passes over a block in which nothing fits.

use super::Seat;
use super::bits::Slot;
use crate::domain::placement::{Instance, Packed};
use crate::domain::resources::Demand;

/// A block that gets larger is split; small in tests, so that few instances make several.
const FULL: usize = if cfg!(test) { 4 } else { 128 };

/// What an instance has left, or a task takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Left {
    pub(super) cpu: u32,
    pub(super) memory: u32,
    pids: u32,
}

impl Left {
    /// Of an instance that holds more than it has nothing is left: what fits is for [`super::suits`] to say.
    ///
    /// [`super::suits`]: crate::domain::placement::suits
    pub(super) fn of(instance: &Instance) -> Self {
        let (capacity, held) = (instance.capacity, &instance.held);
        let left = |offered: u32, held: u64| {
            offered.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX))
        };
        Self {
            cpu: left(capacity.cpu, held.cpu),
            memory: left(capacity.memory, held.memory),
            pids: left(capacity.pids, held.pids),
        }
    }

    pub(super) const fn needed(demand: &Demand) -> Self {
        Self {
            cpu: demand.cpu,
            memory: demand.memory,
            pids: demand.pids,
        }
    }

    pub(super) const fn packed(self, packed: Packed) -> u32 {
        match packed {
            Packed::Cpu => self.cpu,
            Packed::Memory => self.memory,
        }
    }

    const fn holds(self, needed: Self) -> bool {
        self.cpu >= needed.cpu && self.memory >= needed.memory && self.pids >= needed.pids
    }

    fn most(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
            pids: self.pids.max(other.pids),
        }
    }
}

/// Where an instance comes in an order: instances of one measure by their tasks, and those by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) measure: u32,
    pub(super) tasks: u32,
    pub(super) rank: u32,
}

/// An instance in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) slot: Slot,
    pub(super) left: Left,
}

#[derive(Debug, Clone, Default)]
struct Block {
    entries: Vec<Entry>,
    most: Left,
}

impl Block {
    fn new(entries: Vec<Entry>) -> Self {
        let most = entries
            .iter()
            .map(|entry| entry.left)
            .fold(Left::default(), Left::most);
        Self { entries, most }
    }

    /// Whether all of it comes before `place`.
    fn is_before(&self, place: Place) -> bool {
        self.entries.last().is_none_or(|last| last.place < place)
    }
}

/// What an order goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Left(Packed),
    Tasks,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Order {
    by: By,
    blocks: Vec<Block>,
}

impl Order {
    fn new<'a>(by: By, seats: impl Iterator<Item = (Slot, &'a Seat)>) -> Self {
        let mut order = Self {
            by,
            blocks: Vec::new(),
        };
        let mut entries: Vec<Entry> = seats.map(|(slot, seat)| order.entry(slot, seat)).collect();
        entries.sort_unstable_by_key(|entry| entry.place);
        let blocks = entries.chunks(FULL / 2);
        order.blocks = blocks.map(|block| Block::new(block.to_vec())).collect();
        order
    }

    /// Where an instance comes.
    pub(super) fn place(&self, seat: &Seat) -> Place {
        let measure = match self.by {
            By::Left(packed) => Left::of(&seat.instance).packed(packed),
            By::Tasks => 0,
        };
        Place {
            measure,
            tasks: seat.instance.groups.total(),
            rank: seat.rank,
        }
    }

    fn entry(&self, slot: Slot, seat: &Seat) -> Entry {
        Entry {
            place: self.place(seat),
            slot,
            left: Left::of(&seat.instance),
        }
    }

    /// The block that holds what is at `place`, or would.
    fn block(&self, place: Place) -> usize {
        self.blocks.partition_point(|block| block.is_before(place))
    }

    fn insert(&mut self, slot: Slot, seat: &Seat) {
        let entry = self.entry(slot, seat);
        let last = self.blocks.len().saturating_sub(1);
        let at = self.block(entry.place).min(last);
        let Some(block) = self.blocks.get_mut(at) else {
            self.blocks.push(Block::new(vec![entry]));
            return;
        };
        let entries = &mut block.entries;
        let within = entries.partition_point(|other| other.place < entry.place);
        entries.insert(within, entry);
        block.most = block.most.most(entry.left);
        if entries.len() > FULL {
            let second = Block::new(entries.split_off(FULL / 2));
            *block = Block::new(std::mem::take(entries));
            self.blocks.insert(at + 1, second);
        }
    }

    fn remove(&mut self, seat: &Seat) {
        let place = self.place(seat);
        let at = self.block(place);
        let Some(block) = self.blocks.get_mut(at) else {
            return;
        };
        let found = block
            .entries
            .binary_search_by_key(&place, |entry| entry.place);
        if let Ok(within) = found {
            block.entries.remove(within);
            *block = Block::new(std::mem::take(&mut block.entries));
        }
        if block.entries.is_empty() {
            self.blocks.remove(at);
        }
    }

    /// Those that have at least `needed` left, in order, from this measure on.
    pub(super) fn fitting(&self, measure: u32, needed: Left) -> impl Iterator<Item = &Entry> {
        let first = Place {
            measure,
            tasks: 0,
            rank: 0,
        };
        let blocks = self.blocks.get(self.block(first)..).unwrap_or_default();
        blocks
            .iter()
            .filter(move |block| block.most.holds(needed))
            .flat_map(|block| &block.entries)
            .filter(move |entry| entry.place >= first && entry.left.holds(needed))
    }
}

/// The three orders that searches go by.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    cpu: Order,
    memory: Order,
    tasks: Order,
}

impl Orders {
    pub(super) fn new<'a>(seats: impl Iterator<Item = (Slot, &'a Seat)> + Clone) -> Self {
        Self {
            cpu: Order::new(By::Left(Packed::Cpu), seats.clone()),
            memory: Order::new(By::Left(Packed::Memory), seats.clone()),
            tasks: Order::new(By::Tasks, seats),
        }
    }

    pub(super) fn insert(&mut self, slot: Slot, seat: &Seat) {
        for order in self.all() {
            order.insert(slot, seat);
        }
    }

    /// Takes out an instance that is as it was when it was inserted.
    pub(super) fn remove(&mut self, seat: &Seat) {
        for order in self.all() {
            order.remove(seat);
        }
    }

    fn all(&mut self) -> [&mut Order; 3] {
        [&mut self.cpu, &mut self.memory, &mut self.tasks]
    }

    pub(super) const fn by_tasks(&self) -> &Order {
        &self.tasks
    }

    pub(super) const fn by(&self, packed: Packed) -> &Order {
        match packed {
            Packed::Cpu => &self.cpu,
            Packed::Memory => &self.memory,
        }
    }
}

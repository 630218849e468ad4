//! Sets of instances, one bit each: 5,000 instances are 80 words, so that asking all of them something that is known
//! costs less than asking one of them something that is not.

/// The place of an instance in a model: it keeps it for as long as the model has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) u32);

impl Slot {
    pub(super) fn of_index(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    const fn word(self) -> usize {
        self.index() / 64
    }

    const fn mask(self) -> u64 {
        1 << (self.0 % 64)
    }
}

/// A set of slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn has(&self, slot: Slot) -> bool {
        let word = self.0.get(slot.word()).copied().unwrap_or(0);
        word & slot.mask() != 0
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        if self.0.len() <= slot.word() {
            self.0.resize(slot.word() + 1, 0);
        }
        if let Some(word) = self.0.get_mut(slot.word()) {
            *word |= slot.mask();
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(word) = self.0.get_mut(slot.word()) {
            *word &= !slot.mask();
        }
    }

    pub(super) fn set(&mut self, slot: Slot, present: bool) {
        if present {
            self.insert(slot);
        } else {
            self.remove(slot);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Those that `other` has not.
    pub(super) fn without(mut self, other: &Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= !other;
        }
        self
    }

    /// Adds those that both `one` and `other` have.
    pub(super) fn insert_common(&mut self, one: &Self, other: &Self) {
        let common = one.0.len().min(other.0.len());
        if self.0.len() < common {
            self.0.resize(common, 0);
        }
        for (word, (one, other)) in self.0.iter_mut().zip(one.0.iter().zip(&other.0)) {
            *word |= one & other;
        }
    }

    /// Whether there are not more than `most`.
    pub(super) fn is_few(&self, most: u32) -> bool {
        let mut count = 0;
        for word in &self.0 {
            count += word.count_ones();
            if count > most {
                return false;
            }
        }
        true
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        let words = self.0.iter().enumerate();
        words.flat_map(|(index, word)| {
            let first = Slot::of_index(index * 64).0;
            ones(*word).map(move |bit| Slot(first + bit))
        })
    }
}

fn ones(word: u64) -> impl Iterator<Item = u32> {
    let after_first = |left: &u64| Some(left & left.wrapping_sub(1)).filter(|left| *left != 0);
    std::iter::successors(Some(word).filter(|word| *word != 0), after_first)
        .map(u64::trailing_zeros)
}

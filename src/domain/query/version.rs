//! Versions as agents have them: numbers with dots between.

use std::cmp::Ordering;
use std::fmt;

/// A version such as `1.105.1`. Missing numbers count as 0 when versions are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(Vec<u64>);

impl Version {
    /// Reads numbers with dots between, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split('.').map(|number| {
            let digits = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
            number.parse().ok().filter(|_| digits)
        });
        numbers.collect::<Option<Vec<u64>>>().map(Self)
    }

    /// Reads what an agent says of itself: `0.1.0-rc.1` counts as `0.1.0`.
    pub fn of_agent(text: &str) -> Option<Self> {
        let release = text.split(['-', '+']).next().unwrap_or_default();
        Self::parse(release.strip_prefix('v').unwrap_or(release))
    }

    /// How it lies to another.
    pub fn compare(&self, other: &Self) -> Ordering {
        let at = |version: &Self, index: usize| version.0.get(index).copied().unwrap_or(0);
        (0..self.0.len().max(other.0.len()))
            .map(|index| at(self, index).cmp(&at(other, index)))
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

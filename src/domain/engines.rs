//! Which instance owns an engine that several see.
//!
//! One engine is one instance, or its capacity would count twice. Nodes that run as containers on one machine can all be
//! given that machine's Docker socket; machine images clone the engine's id, so the kernel's boot id counts too.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// An instance and the engine that its agent sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Name of the instance.
    pub instance: String,
    /// The engine's own id.
    pub engine: String,
    /// Boot id of its kernel.
    pub boot: String,
    /// Anything by which older instances come first.
    pub since: Option<jiff::Timestamp>,
}

/// Which instances see which engine, kept up to date claim by claim.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    claims: BTreeMap<String, Claim>,
    /// By engine and boot, those that see it, the oldest first.
    seen_by: BTreeMap<(String, String), BTreeSet<Seniority>>,
}

type Seniority = (Option<jiff::Timestamp>, String);

impl FromIterator<Claim> for Engines {
    fn from_iter<I: IntoIterator<Item = Claim>>(claims: I) -> Self {
        let mut engines = Self::default();
        for claim in claims {
            engines.set(&claim.instance.clone(), Some(claim));
        }
        engines
    }
}

impl Engines {
    /// Takes in what an instance claims now. Says who else sees the engine of before or the one of now: who owns it may
    /// have changed for each of them.
    pub fn set(&mut self, instance: &str, claim: Option<Claim>) -> BTreeSet<String> {
        if self.claims.get(instance) == claim.as_ref() {
            return BTreeSet::new();
        }
        let mut concerned = BTreeSet::new();
        if let Some(before) = self.claims.remove(instance)
            && let Entry::Occupied(mut seen_by) = self.seen_by.entry(before.key())
        {
            seen_by.get_mut().remove(&before.seniority());
            concerned.extend(seen_by.get().iter().map(|(_, name)| name.clone()));
            if seen_by.get().is_empty() {
                seen_by.remove();
            }
        }
        if let Some(claim) = claim {
            let seen_by = self.seen_by.entry(claim.key()).or_default();
            concerned.extend(seen_by.iter().map(|(_, name)| name.clone()));
            seen_by.insert(claim.seniority());
            self.claims.insert(instance.to_owned(), claim);
        }
        concerned.remove(instance);
        concerned
    }

    /// The instance that owns this one's engine, where that is another one: the oldest owns it.
    pub fn lender(&self, instance: &str) -> Option<&str> {
        let claim = self.claims.get(instance)?;
        let (_, owner) = self.seen_by.get(&claim.key())?.first()?;
        (owner != instance).then_some(owner)
    }

    /// The instances whose engine belongs to another one, with that one's name.
    pub fn borrowers(&self) -> BTreeMap<String, String> {
        let lender =
            |instance: &String| Some((instance.clone(), self.lender(instance)?.to_owned()));
        self.claims.keys().filter_map(lender).collect()
    }
}

impl Claim {
    fn key(&self) -> (String, String) {
        (self.engine.clone(), self.boot.clone())
    }

    fn seniority(&self) -> Seniority {
        (self.since, self.instance.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(instance: &str, engine: &str, boot: &str, since: i64) -> Claim {
        Claim {
            instance: instance.into(),
            engine: engine.into(),
            boot: boot.into(),
            since: jiff::Timestamp::from_second(since).ok(),
        }
    }

    #[test]
    fn the_oldest_instance_owns_an_engine_and_a_cloned_id_on_another_machine_is_another_engine() {
        let mut engines: Engines = [
            claim("a", "same", "boot-1", 2),
            claim("b", "same", "boot-1", 1),
            claim("c", "same", "boot-1", 3),
            claim("clone", "same", "boot-2", 0),
            claim("other", "other", "boot-1", 0),
        ]
        .into_iter()
        .collect();
        let owned_by = |owner: &str, borrowers: &[&str]| {
            let borrower = |name: &&str| ((*name).to_owned(), owner.to_owned());
            borrowers.iter().map(borrower).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(engines.borrowers(), owned_by("b", &["a", "c"]));
        let concerned = engines.set("b", None);
        assert_eq!(concerned, ["a".to_owned(), "c".to_owned()].into());
        assert_eq!(engines.borrowers(), owned_by("a", &["c"]));
        assert_eq!(engines.lender("clone"), None);
    }
}

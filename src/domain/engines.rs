//! Which instance owns an engine that several see.
//!
//! One engine is one instance, or its capacity would count twice. Nodes that run as containers on one machine can all be
//! given that machine's Docker socket; machine images clone the engine's id, so the kernel's boot id counts too.

use std::collections::BTreeMap;

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

/// The instances whose engine belongs to another one, with that one's name: the oldest owns it.
#[must_use]
pub fn borrowers(mut claims: Vec<Claim>) -> BTreeMap<String, String> {
    claims.sort_by(|a, b| (a.since, &a.instance).cmp(&(b.since, &b.instance)));
    let mut owners: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut borrowers = BTreeMap::new();
    for claim in claims {
        match owners.get(&(claim.engine.clone(), claim.boot.clone())) {
            Some(owner) => {
                borrowers.insert(claim.instance, owner.clone());
            }
            None => {
                owners.insert((claim.engine, claim.boot), claim.instance);
            }
        }
    }
    borrowers
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
        let found = borrowers(vec![
            claim("a", "same", "boot-1", 2),
            claim("b", "same", "boot-1", 1),
            claim("c", "same", "boot-1", 3),
            claim("clone", "same", "boot-2", 0),
            claim("other", "other", "boot-1", 0),
        ]);
        assert_eq!(
            found,
            BTreeMap::from([("a".into(), "b".into()), ("c".into(), "b".into())])
        );
    }
}

//! The order of a task's containers: who waits for whom, and what is wrong with an order.
//!
//! Sources: ECS API Reference, `ContainerDependency` and `ContainerDefinition.startTimeout`. An order without a circle
//! has a container that waits for nobody, so that a task of a definition without [`problems`] can always begin.

use std::collections::BTreeSet;

use super::rules::Problem;
use super::{Container, TaskDefinition};

/// A container that must have come so far before the one that names it starts (`dependsOn`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Name of the container that is waited for.
    pub container: String,
    /// How far it must have come.
    pub condition: Condition,
}

/// What a dependency waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// It runs, or ran and has ended.
    Start,
    /// It has ended.
    Complete,
    /// It has ended with exit code 0.
    Success,
    /// Its health check passes.
    Healthy,
}

impl Condition {
    /// ECS's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Complete => "COMPLETE",
            Self::Success => "SUCCESS",
            Self::Healthy => "HEALTHY",
        }
    }
}

impl Container {
    /// All that this container waits for, whichever field says so.
    pub fn dependencies(&self) -> impl Iterator<Item = (&str, Condition)> {
        let named = self.depends_on.iter();
        let named = named.map(|dependency| (dependency.container.as_str(), dependency.condition));
        let links = self.links.iter();
        named.chain(links.map(|link| (link.container.as_str(), Condition::Start)))
    }

    /// Containers that have to be there first, in whatever condition.
    fn comes_after(&self) -> impl Iterator<Item = &str> {
        let sources = self.volumes_from.iter();
        let sources = sources.map(|from| from.container.as_str());
        self.dependencies().map(|(name, _)| name).chain(sources)
    }

    /// Whether this container waits for `other`, so that it is stopped before `other`.
    pub fn depends_on(&self, other: &str) -> bool {
        self.dependencies().any(|(name, _)| name == other)
    }
}

/// What makes the order of a definition impossible to keep.
#[must_use]
pub fn problems(definition: &TaskDefinition) -> Vec<Problem> {
    let mut found = Vec::new();
    for container in &definition.containers {
        let mut problem = |message: String| {
            found.push(Problem {
                field: field(container),
                message,
            });
        };
        for Dependency {
            container: name,
            condition,
        } in &container.depends_on
        {
            let others = &mut definition.containers.iter();
            let Some(other) = others.find(|other| other.name == *name) else {
                problem(format!(
                    "waits for '{name}', which is no container of this task: use the name of one"
                ));
                continue;
            };
            match condition {
                Condition::Complete | Condition::Success if other.essential => problem(format!(
                    "waits for {} of '{name}', which is essential, so that the task ends with it: set essential: false there, or wait for START or HEALTHY",
                    condition.as_str()
                )),
                Condition::Healthy if other.health_check.is_none() => problem(format!(
                    "waits for HEALTHY of '{name}', which has no healthCheck: give it one, or wait for START"
                )),
                Condition::Start
                | Condition::Complete
                | Condition::Success
                | Condition::Healthy => {}
            }
        }
    }
    let circle = circle(&definition.containers);
    let names: Vec<&str> = circle.iter().map(|it| it.name.as_str()).collect();
    let waits = |it: &&&Container| names.iter().any(|name| it.depends_on(name));
    // Circles of volumes alone are the volumes' problem.
    if let Some(first) = circle.iter().find(waits) {
        found.push(Problem {
            field: field(first),
            message: match names.as_slice() {
                [only] => format!("'{only}' waits for itself: remove this dependency"),
                _ => format!(
                    "containers {} wait for each other: remove one of their dependencies",
                    names.join(", ")
                ),
            },
        });
    }
    found
}

fn field(container: &Container) -> String {
    format!("containerDefinitions[{}].dependsOn", container.name)
}

/// Containers that wait for each other: what is left when those go that wait for nobody who is left, and those whom
/// nobody who is left waits for.
fn circle(containers: &[Container]) -> Vec<&Container> {
    let mut left: Vec<&Container> = containers.iter().collect();
    loop {
        let names: BTreeSet<&str> = left.iter().map(|it| it.name.as_str()).collect();
        let awaited: BTreeSet<&str> = left.iter().flat_map(|it| it.comes_after()).collect();
        let before = left.len();
        left.retain(|it| {
            awaited.contains(it.name.as_str()) && it.comes_after().any(|name| names.contains(name))
        });
        if left.len() == before {
            return left;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Link;
    use super::super::tests_support::{definition, waiting};
    use super::super::volumes::VolumesFrom;
    use super::*;

    fn waits(name: &str, essential: bool, dependencies: &[(&str, Condition)]) -> Container {
        Container {
            essential,
            ..waiting(name, dependencies)
        }
    }

    fn told(containers: impl IntoIterator<Item = Container>) -> Vec<String> {
        let found = problems(&definition("web", containers));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_chain_of_conditions_is_an_order() {
        let chain = [
            waits("migrate", false, &[]),
            waits("fetch", false, &[("migrate", Condition::Success)]),
            waits("app", true, &[("fetch", Condition::Complete)]),
            waits("proxy", false, &[("app", Condition::Start)]),
        ];
        assert_eq!(told(chain), Vec::<String>::new());
    }

    #[test]
    fn containers_that_wait_for_each_other_are_named_and_those_behind_them_are_not() {
        let start = |name| [(name, Condition::Start)];
        let found = told([
            waits("a", true, &start("b")),
            waits("b", true, &start("c")),
            waits("c", true, &start("a")),
            waits("behind", true, &start("a")),
            waits("before", true, &[]),
        ]);
        assert_eq!(
            found,
            [
                "containerDefinitions[a].dependsOn: containers a, b, c wait for each other: remove one of their dependencies"
            ]
        );
        assert_eq!(
            told([waits("a", true, &start("a"))]),
            ["containerDefinitions[a].dependsOn: 'a' waits for itself: remove this dependency"]
        );
    }

    #[test]
    fn links_and_volumes_of_others_are_part_of_the_order() {
        let mut app = waits("app", true, &[]);
        app.links = vec![Link {
            container: "db".into(),
            alias: "db".into(),
        }];
        assert_eq!(
            app.dependencies().collect::<Vec<_>>(),
            [("db", Condition::Start)]
        );
        let mut db = waits("db", true, &[]);
        db.volumes_from = vec![VolumesFrom {
            container: "app".into(),
            read_only: false,
        }];
        assert_eq!(
            told([app, db]),
            [
                "containerDefinitions[app].dependsOn: containers app, db wait for each other: remove one of their dependencies"
            ]
        );
    }

    #[test]
    fn what_can_never_come_true_is_refused_with_the_way_out() {
        let found = told([
            waits("app", true, &[("db", Condition::Healthy)]),
            waits("log", false, &[("app", Condition::Success)]),
            waits("side", false, &[("nobody", Condition::Start)]),
            waits("db", true, &[]),
        ]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("no healthCheck"), "{found:?}");
        assert!(found[1].contains("essential: false"), "{found:?}");
        assert!(found[2].contains("no container of this task"), "{found:?}");
    }
}

//! Placement constraints and strategies, from what people wrote to what the placer can rely on.

use crate::api::bounded::{List, Str};
use crate::api::service::EcsServiceSpec;
use crate::api::shapes::{
    PlacementConstraint, PlacementConstraintType, PlacementStrategy, PlacementStrategyType,
    TaskDefinitionPlacementConstraint, TaskDefinitionPlacementConstraintType,
};
use crate::api::task::EcsTaskSpec;
use crate::domain::definition::TaskDefinition;
use crate::domain::definition::rules::Problem;
use crate::domain::placement::{
    Constraint, MAXIMUM_CONSTRAINTS, MAXIMUM_STRATEGIES, Packed, Rules, Spread, Strategy,
};
use crate::domain::query::Expression;

fn listed<T, const N: usize>(list: Option<&List<T, N>>) -> &[T] {
    list.map_or(&[], |list| list.as_slice())
}

/// How a service wants its tasks to be placed.
///
/// # Errors
/// All problems, each naming its field and the place in an expression.
pub fn service_placement(spec: &EcsServiceSpec) -> Result<Rules, Vec<Problem>> {
    let mut rules = rules(
        listed(spec.placement_constraints.as_ref()),
        listed(spec.placement_strategy.as_ref()),
    )?;
    let extensions = spec.extensions.as_ref();
    let most = extensions.and_then(|extensions| extensions.maximum_tasks_per_instance);
    let most = most.and_then(|most| u32::try_from(most).ok());
    rules.constraints.extend(most.map(Constraint::AtMost));
    Ok(rules)
}

/// How a person wants a task to be placed.
///
/// # Errors
/// All problems, each naming its field and the place in an expression.
pub fn task_placement(spec: &EcsTaskSpec) -> Result<Rules, Vec<Problem>> {
    rules(
        listed(spec.placement_constraints.as_ref()),
        listed(spec.placement_strategy.as_ref()),
    )
}

/// What is wrong with rules and a definition together, which ECS limits together (ECS API Reference, `RunTask`).
pub fn too_many_constraints(rules: &Rules, definition: &TaskDefinition) -> Option<Problem> {
    let own = rules.constraints.iter();
    let own = own.filter(|rule| !matches!(rule, Constraint::AtMost(_)));
    let (own, definitions) = (own.count(), definition.placement_constraints.len());
    (own + definitions > MAXIMUM_CONSTRAINTS).then(|| {
        problem(
            "placementConstraints".to_owned(),
            format!(
                "holds {own}, and the task definition {definitions}: together at most {MAXIMUM_CONSTRAINTS} are allowed, so join some of them by and"
            ),
        )
    })
}

/// The constraints of a task definition; what is wrong is added to `problems`.
pub(super) fn definition_constraints(
    given: &[TaskDefinitionPlacementConstraint],
    problems: &mut Vec<Problem>,
) -> Vec<Constraint> {
    limit(
        "placementConstraints",
        given.len(),
        MAXIMUM_CONSTRAINTS,
        problems,
    );
    collect(given, problems, |index, constraint| match constraint.kind {
        Some(TaskDefinitionPlacementConstraintType::MemberOf) => {
            member_of(index, constraint.expression.as_ref())
        }
        None => Err(problem(
            format!("placementConstraints[{index}].type"),
            "is missing: give memberOf".to_owned(),
        )),
    })
}

fn rules(
    constraints: &[PlacementConstraint],
    strategies: &[PlacementStrategy],
) -> Result<Rules, Vec<Problem>> {
    let mut problems = Vec::new();
    limit(
        "placementConstraints",
        constraints.len(),
        MAXIMUM_CONSTRAINTS,
        &mut problems,
    );
    limit(
        "placementStrategy",
        strategies.len(),
        MAXIMUM_STRATEGIES,
        &mut problems,
    );
    let rules = Rules {
        constraints: collect(constraints, &mut problems, constraint),
        strategies: collect(strategies, &mut problems, strategy),
    };
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(problems)
    }
}

fn constraint(index: usize, given: &PlacementConstraint) -> Result<Constraint, Problem> {
    let at = |field: &str| format!("placementConstraints[{index}].{field}");
    match given.kind {
        Some(PlacementConstraintType::MemberOf) => member_of(index, given.expression.as_ref()),
        Some(PlacementConstraintType::DistinctInstance) => match text(given.expression.as_ref()) {
            None => Ok(Constraint::DistinctInstance),
            Some(_) => Err(problem(
                at("expression"),
                "distinctInstance takes none: leave it out, or use memberOf".to_owned(),
            )),
        },
        None => Err(problem(
            at("type"),
            "is missing: give distinctInstance or memberOf".to_owned(),
        )),
    }
}

fn member_of(index: usize, expression: Option<&Str<2000>>) -> Result<Constraint, Problem> {
    let field = format!("placementConstraints[{index}].expression");
    let Some(text) = text(expression) else {
        return Err(problem(
            field,
            "is missing: memberOf needs one, such as attribute:ecs.os-type == linux".to_owned(),
        ));
    };
    Expression::parse(text)
        .map(Constraint::MemberOf)
        .map_err(|invalid| problem(field, invalid.to_string()))
}

fn strategy(index: usize, given: &PlacementStrategy) -> Result<Strategy, Problem> {
    let at = |field: &str| format!("placementStrategy[{index}].{field}");
    let field = text(given.field.as_ref());
    match given.kind {
        Some(PlacementStrategyType::Random) => match field {
            None => Ok(Strategy::Random),
            Some(_) => Err(problem(
                at("field"),
                "random takes none: leave it out, or use spread or binpack".to_owned(),
            )),
        },
        Some(PlacementStrategyType::Spread) => field
            .and_then(Spread::parse)
            .map(Strategy::Spread)
            .ok_or_else(|| {
                let fix = "spread goes over instanceId, host or attribute:NAME, such as attribute:ecs.availability-zone: give one of these";
                problem(at("field"), said(field, fix))
            }),
        Some(PlacementStrategyType::Binpack) => field
            .and_then(Packed::parse)
            .map(Strategy::Binpack)
            .ok_or_else(|| {
                let fix = "binpack packs cpu or memory: give one of these";
                problem(at("field"), said(field, fix))
            }),
        None => Err(problem(
            at("type"),
            "is missing: give random, spread or binpack".to_owned(),
        )),
    }
}

fn said(field: Option<&str>, fix: &str) -> String {
    field.map_or_else(
        || format!("is missing: {fix}"),
        |field| format!("is '{field}': {fix}"),
    )
}

/// A text that says something: AWS's own descriptions hold empty ones.
fn text<const N: usize>(given: Option<&Str<N>>) -> Option<&str> {
    given
        .map(Str::as_str)
        .filter(|text| !text.trim().is_empty())
}

fn limit(field: &str, count: usize, most: usize, problems: &mut Vec<Problem>) {
    if count > most {
        problems.push(problem(
            field.to_owned(),
            format!("holds {count}: at most {most} are allowed"),
        ));
    }
}

/// Those that could be read; the problems of the others are added.
fn collect<Given, Read>(
    given: &[Given],
    problems: &mut Vec<Problem>,
    read: impl Fn(usize, &Given) -> Result<Read, Problem>,
) -> Vec<Read> {
    given
        .iter()
        .enumerate()
        .filter_map(|(index, given)| {
            read(index, given)
                .map_err(|found| problems.push(found))
                .ok()
        })
        .collect()
}

fn problem(field: String, message: String) -> Problem {
    Problem { field, message }
}

#[cfg(test)]
mod tests;

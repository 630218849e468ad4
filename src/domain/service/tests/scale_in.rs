//! Which tasks a scale-in takes, by the placement strategy of the service.

use super::*;

fn placed(slot: i64, marks: &[Mark]) -> Task {
    Task {
        marks: marks.to_vec(),
        ..task(slot)
    }
}

fn value(value: &str) -> Mark {
    Mark::Bucket(Some(value.into()))
}

#[test]
fn without_a_strategy_tasks_go_from_the_fullest_zone_and_there_from_the_fullest_instance() {
    let tasks = [
        placed(0, &[value("a"), value("i1")]),
        placed(1, &[value("a"), value("i2")]),
        placed(2, &[value("a"), value("i2")]),
        placed(3, &[value("b"), value("i3")]),
        placed(4, &[value("b"), value("i3")]),
    ];
    assert_eq!(names(&planned(&wanted(2), &tasks, 100)), ["t2", "t4", "t1"]);
}

#[test]
fn a_service_that_packs_leaves_the_instances_with_the_most_left_and_empties_one_after_the_other() {
    let tasks = [
        placed(0, &[Mark::Left(100)]),
        placed(1, &[Mark::Left(900)]),
        placed(2, &[Mark::Left(100)]),
        placed(4, &[Mark::Left(900)]),
        placed(5, &[Mark::Left(500)]),
    ];
    assert_eq!(names(&planned(&wanted(3), &tasks, 100)), ["t4", "t1"]);
    assert_eq!(names(&planned(&wanted(2), &tasks, 100)), ["t4", "t1", "t5"]);
}

#[test]
fn of_several_rules_the_first_counts_most() {
    let tasks = [
        placed(0, &[value("a"), Mark::Left(1)]),
        placed(1, &[value("a"), Mark::Left(2)]),
        placed(2, &[value("b"), Mark::Left(9)]),
    ];
    assert_eq!(names(&planned(&wanted(2), &tasks, 100)), ["t1"]);
}

proptest! {
    /// Choosing one after the other by hand, with all tasks looked at each time.
    #[test]
    fn victims_are_those_that_a_plain_search_finds(
        places in prop::collection::vec((0_u8..4, 0_u64..3, 0_i64..5), 1..30),
        keep in 0_u32..30,
    ) {
        let tasks: Vec<Task> = (0_i64..)
            .zip(&places)
            .map(|(slot, (zone, left, age))| Task {
                name: format!("t{slot:03}"),
                created_at: at(*age),
                instance: format!("i{left}-{zone}"),
                ..placed(slot, &[value(&zone.to_string()), Mark::Left(*left)])
            })
            .collect();
        let mut left: Vec<&Task> = tasks.iter().collect();
        let mut gone: Vec<&Task> = Vec::new();
        while left.len() > usize::try_from(keep).unwrap() {
            let crowd = |task: &Task| left.iter().filter(|other| other.marks[0] == task.marks[0]).count();
            let free = |task: &Task| match task.marks[1] {
                Mark::Left(left) => left + u64::from(gone.iter().any(|gone| gone.instance == task.instance)),
                Mark::Bucket(_) | Mark::Drawn(_) => 0,
            };
            let victim = *left.iter().max_by_key(|task| (crowd(task), free(task), task.created_at, task.name.clone())).unwrap();
            left.retain(|task| task.name != victim.name);
            gone.push(victim);
        }
        let expected: Vec<&str> = gone.iter().map(|task| task.name.as_str()).collect();
        let plan = planned(&wanted(keep), &tasks, 100);
        prop_assert_eq!(names(&plan), expected);
    }
}

//! Each test that the page of failure stories names is there, and is a test.

#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Names of all test functions under `folder`: those of a line `fn NAME(` that follow a test attribute or stand in `proptest!`.
fn tests_under(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            tests_under(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some((_, rest)) = line.split_once("fn ") {
                    let name = rest.split('(').next().unwrap_or_default();
                    if std::mem::take(&mut is_test) {
                        found.insert(name.to_owned());
                    }
                }
            }
        }
    }
}

#[test]
fn every_failure_story_is_held_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    tests_under(&root.join("src"), &mut tests);
    tests_under(&root.join("tests"), &mut tests);
    let page = fs::read_to_string(root.join("docs/design/failures.md")).unwrap();
    let stories: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let mut numbers: Vec<u32> = Vec::new();
    for story in &stories {
        let number: u32 = story.get(1).unwrap().parse().unwrap();
        numbers.push(number);
        let named: Vec<&str> = story.get(4).unwrap().split(", ").collect();
        for name in named {
            let name = name.trim_matches('`');
            assert!(
                tests.contains(name),
                "story {number}: there is no test {name}"
            );
        }
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert!(!numbers.is_empty());
}

//! Environment files: one variable a line (ECS Developer Guide, "Pass environment variables to an Amazon ECS container").

use std::collections::BTreeMap;

/// The variables of several files. The first file that has a variable counts.
#[must_use]
pub fn variables<'a>(files: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in files.into_iter().flat_map(lines) {
        found
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    }
    found
}

/// `NAME=value` lines. What stands behind the first `=` is the value as it is, quotes and spaces included; a line that
/// begins with `#`, or has no name and `=`, says nothing.
fn lines(file: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_variable_and_nothing_in_it_is_interpreted() {
        let file =
            "# comment=1\nA=1\r\nB=\"two words\" \nC=a=b\nempty=\nnothing\n=nameless\nD=$A\n";
        let found = variables([file]);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("A", "1"),
                ("B", "\"two words\" "),
                ("C", "a=b"),
                ("D", "$A"),
                ("empty", "")
            ]
        );
    }

    #[test]
    fn of_several_files_the_first_counts() {
        let found = variables(["A=1", "A=2\nB=2"]);
        assert_eq!((found["A"].as_str(), found["B"].as_str()), ("1", "2"));
    }
}

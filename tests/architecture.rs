//! The layers of `src/` import only downwards: what a newcomer reads in the folders' names is what the code does.

#![expect(clippy::unwrap_used, reason = "a failed read fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which layers each layer may name.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("domain", &[][..]),
        ("api", &["domain"]),
        ("runtime", &["domain"]),
        ("platform", &["api"]),
        ("controllers", &["api", "domain", "platform"]),
        ("agent", &["api", "domain", "runtime", "platform"]),
        ("gateway", &["api", "domain", "platform"]),
        ("broker", &["api", "domain", "platform"]),
        (
            "cli",
            &[
                "api",
                "domain",
                "platform",
                "controllers",
                "agent",
                "gateway",
                "broker",
                "runtime",
            ],
        ),
        (
            "testing",
            &[
                "api",
                "domain",
                "platform",
                "controllers",
                "agent",
                "broker",
                "runtime",
            ],
        ),
    ])
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The layers that a file names by `crate::LAYER`.
fn named_layers(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn every_layer_imports_only_what_it_may() {
    let allowed = allowed();
    for (layer, may) in &allowed {
        let folder = root().join(layer);
        assert!(folder.is_dir(), "src/{layer} is gone: mend this table");
        for path in sources(&folder) {
            for named in named_layers(&fs::read_to_string(&path).unwrap()) {
                let known = allowed.contains_key(named.as_str());
                assert!(
                    !known || named == **layer || may.contains(&named.as_str()),
                    "{} names crate::{named}, which {layer} may not",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn every_folder_of_the_sources_is_a_known_layer() {
    let allowed = allowed();
    for entry in fs::read_dir(root()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        assert!(
            allowed.contains_key(name.as_str()) || matches!(name.as_str(), "bin" | "lib.rs"),
            "src/{name} has no place in the layers"
        );
    }
}

#[test]
fn the_domain_does_no_input_or_output() {
    for path in sources(&root().join("domain")) {
        let text = fs::read_to_string(&path).unwrap();
        for forbidden in [
            "async ",
            "tokio",
            "kube::",
            "k8s_openapi",
            "hyper",
            "std::fs",
            "std::net",
            "now()",
        ] {
            let code = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                assert!(!line.contains(forbidden), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn one_file_asks_for_the_time_and_http_is_spoken_below_three_folders() {
    for path in sources(&root()) {
        let text = fs::read_to_string(&path).unwrap();
        let within = |place: &str| path.starts_with(root().join(place));
        assert!(
            !text.contains("hyper::")
                || within("runtime/docker")
                || within("platform/serving")
                || within("agent/probe"),
            "{} names hyper",
            path.display()
        );
        let asks = text.contains("Timestamp::now(") || text.contains("SystemTime::now(");
        assert!(
            !asks || within("platform/clock.rs"),
            "{} asks for the time",
            path.display()
        );
    }
}

#[test]
fn files_stay_short() {
    for path in sources(&root()) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= 400,
            "{} has {lines} lines: split it",
            path.display()
        );
    }
}

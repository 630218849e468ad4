//! What people read and copy is true: the page of fields is what the tables say, and every sample parses, is accepted
//! by the tables, and plans. `UPDATE_DOCS=1 cargo test --test docs` writes the generated page.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be read fails the test"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ecs_operator::api::parse;
use ecs_operator::api::service::EcsService;
use ecs_operator::api::target_group::TargetGroup;
use ecs_operator::api::task::EcsTask;
use ecs_operator::api::task_definition::TaskDefinition;
use ecs_operator::domain::fields::{Body, Entry, Outcome};
use ecs_operator::domain::security::{self, Profile};
use serde_json::Value;

#[path = "cluster/fields/rows.rs"]
mod rows;

const MARK: &str = "<!-- generated below -->\n";

/// Fields that show only in what becomes of a task, each with the test that looks at it.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "extensions",
        "a_container_finds_its_files_its_variables_and_a_token_by_which_its_role_is_known",
    ),
    (
        "taskRoleArn",
        "a_task_with_a_role_finds_a_token_that_is_renewed_for_as_long_as_it_runs",
    ),
    (
        "containerDefinitions[].environmentFiles",
        "environment_files_give_way_to_the_definition_and_are_replaced_by_an_override",
    ),
    (
        "containerDefinitions[].logConfiguration.secretOptions",
        "a_log_driver_gets_secret_options_and_nobody_sees_them",
    ),
    (
        "containerDefinitions[].secrets",
        "a_secret_is_a_variable_of_the_container_and_stands_nowhere_else",
    ),
    (
        "containerDefinitions[].repositoryCredentials",
        "a_private_image_comes_with_the_credentials_that_the_definition_names_and_not_without",
    ),
    (
        "placementConstraints",
        "constraints_and_strategies_decide_where_tasks_run",
    ),
    ("requiresCompatibilities", CORPUS),
    (
        "cpu",
        "the_containers_of_a_task_share_its_cpu_and_memory_until_the_task_is_over",
    ),
    (
        "memory",
        "the_containers_of_a_task_share_its_cpu_and_memory_until_the_task_is_over",
    ),
    (
        "tags",
        "the_own_tags_of_a_task_count_before_those_of_its_definition",
    ),
    (
        "runtimePlatform.cpuArchitecture",
        "an_instance_of_another_architecture_is_passed_over",
    ),
    ("runtimePlatform.operatingSystemFamily", CORPUS),
    ("trustedExecutionConfiguration.isolationMode", CORPUS),
    (
        "pidMode",
        "containers_of_an_awsvpc_task_share_localhost_and_end_with_their_pause_container",
    ),
    (
        "ipcMode",
        "namespaces_are_the_containers_the_tasks_or_the_instances",
    ),
    (
        "containerDefinitions[].resourceRequirements[].type",
        "an_engine_takes_the_request_for_gpus_and_a_service_says_that_no_instance_has_one",
    ),
    (
        "containerDefinitions[].resourceRequirements[].value",
        "each_gpu_is_one_containers_whatever_becomes_of_the_agent",
    ),
    (
        "ephemeralStorage",
        "a_disk_is_bounded_where_the_engine_can_and_elsewhere_the_service_says_what_lacks",
    ),
    (
        "containerDefinitions[].firelensConfiguration",
        "a_log_router_gets_its_configuration_and_what_the_others_write",
    ),
    (
        "containerDefinitions[].dependsOn",
        "containers_start_when_what_they_wait_for_is_done_and_stop_in_the_reverse_order",
    ),
    (
        "containerDefinitions[].startTimeout",
        "healthy_opens_the_way_and_the_start_timeout_of_the_awaited_container_closes_it",
    ),
    (
        "containerDefinitions[].restartPolicy",
        "a_container_that_ran_for_a_minute_is_started_again_and_stays_the_same",
    ),
    (
        "containerDefinitions[].portMappings[].containerPortRange",
        "a_range_gets_the_first_place_with_enough_ports_in_a_row",
    ),
    (
        "pidMode",
        "namespaces_are_the_containers_the_tasks_or_the_instances",
    ),
    (
        "ipcMode",
        "namespaces_are_the_containers_the_tasks_or_the_instances",
    ),
    (
        "containerDefinitions[].dependsOn",
        "containers_start_in_the_order_of_their_dependencies_and_stop_in_the_reverse",
    ),
    (
        "containerDefinitions[].startTimeout",
        "healthy_opens_the_way_and_the_start_timeout_of_the_awaited_container_closes_it",
    ),
    (
        "containerDefinitions[].restartPolicy",
        "the_same_container_is_started_again_and_counted_and_the_task_stays_running",
    ),
    (
        "containerDefinitions[].essential",
        "a_task_of_two_containers_ends_with_the_essential_one_and_not_with_the_other",
    ),
    (
        "containerDefinitions[].portMappings[].name",
        "names_of_a_service_are_services_that_lead_to_its_tasks_and_go_with_them",
    ),
    (
        "containerDefinitions[].stopTimeout",
        "what_ignores_the_stop_signal_is_killed_after_the_grace_period",
    ),
    (
        "containerDefinitions[].versionConsistency",
        "a_digest_takes_the_place_of_the_tag",
    ),
];

const CORPUS: &str = "each_body_of_the_corpus_applies_unchanged_or_says_what_to_change";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn becomes(entry: &Entry) -> String {
    match entry.outcome {
        Outcome::CarriedOut => "carried out".to_owned(),
        Outcome::WithoutEffect(reason) => format!("without effect: {reason}"),
        Outcome::Refused(alternative) => format!("refused: {alternative}"),
        Outcome::ByValue {
            carried_out,
            without_effect,
            refused,
        } => {
            let mut parts = Vec::new();
            if !carried_out.is_empty() {
                parts.push(format!("carried out: {}", carried_out.join(", ")));
            }
            parts.extend(
                without_effect
                    .iter()
                    .map(|(value, reason)| format!("{value} without effect: {reason}")),
            );
            if !refused.is_empty() {
                parts.push(format!("others refused: {refused}"));
            }
            parts.join("; ")
        }
    }
}

/// Where the tests look at a field that is carried out; nothing for one that is not.
fn seen(entry: &Entry) -> String {
    if matches!(
        entry.outcome,
        Outcome::WithoutEffect(_) | Outcome::Refused(_)
    ) {
        return String::new();
    }
    let row = rows::ROWS
        .iter()
        .find(|row| row.fields.contains(&entry.path));
    if let Some(row) = row {
        return match row.look {
            rows::Look::Inside(paths) => format!("inside: {}", paths.join(", "))
                .trim_end_matches([':', ' '])
                .to_owned(),
            rows::Look::Inspect(pointer) => format!("inspection: {pointer}"),
        };
    }
    let elsewhere = ELSEWHERE.iter().find(|(path, _)| *path == entry.path);
    let (_, test) = elsewhere.unwrap_or_else(|| panic!("nobody looks at {}", entry.path));
    format!("`{test}`")
}

fn tables() -> String {
    let mut text = String::new();
    for (body, title) in [
        (
            Body::RegisterTaskDefinition,
            "TaskDefinition (RegisterTaskDefinition)",
        ),
        (Body::CreateService, "EcsService (CreateService)"),
        (Body::RunTask, "EcsTask (RunTask)"),
    ] {
        let tested = body == Body::RegisterTaskDefinition;
        let columns = if tested {
            "| field | outcome | seen |\n|---|---|---|"
        } else {
            "| field | outcome |\n|---|---|"
        };
        writeln!(text, "\n## {title}\n\n{columns}").unwrap();
        for entry in body.table() {
            let outcome = becomes(entry).replace('|', "\\|");
            write!(text, "| `{}` | {outcome} |", entry.path).unwrap();
            if tested {
                write!(text, " {} |", seen(entry)).unwrap();
            }
            text.push('\n');
        }
    }
    text
}

#[test]
fn the_page_of_fields_is_what_the_tables_say() {
    let path = root().join("docs/fields.md");
    let page = fs::read_to_string(&path).unwrap();
    let (introduction, generated) = page.split_once(MARK).expect("the page has its mark");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{introduction}{MARK}{}", tables())).unwrap();
        return;
    }
    assert!(
        generated == tables(),
        "docs/fields.md is out of date: UPDATE_DOCS=1 cargo test --test docs"
    );
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}

#[test]
fn every_test_that_the_page_of_fields_names_exists_and_every_row_is_of_a_field() {
    let text = sources(&root().join("src")) + &sources(&root().join("tests"));
    for (field, test) in ELSEWHERE {
        assert!(text.contains(&format!("fn {test}(")), "{field}: no {test}");
    }
    let table = Body::RegisterTaskDefinition.table();
    for row in rows::ROWS {
        let body = format!("{}{}", row.task, row.containers);
        for field in row.fields {
            assert!(table.iter().any(|entry| entry.path == *field), "{field}");
            let name = field.rsplit('.').next().unwrap();
            let given = ["family", "command", "image"].contains(&name);
            assert!(given || body.contains(&format!("\"{name}\"")), "{field}");
        }
        assert!(!row.sees.is_empty(), "{:?}", row.fields);
    }
}

fn manifests(folder: &Path) -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(manifests(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = fs::read_to_string(&path).unwrap();
            let documents = text
                .split("\n---\n")
                .filter(|document| !document.trim().is_empty());
            for document in documents {
                let value = serde_saphyr::from_str(document)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                found.push((path.clone(), value));
            }
        }
    }
    found
}

#[test]
fn every_sample_says_something_that_this_release_carries_out() {
    let mut seen = 0;
    for (path, manifest) in manifests(&root().join("config/samples")) {
        let place = path.display();
        match manifest["kind"].as_str() {
            Some("TaskDefinition") => {
                let sample: TaskDefinition = serde_json::from_value(manifest).unwrap();
                let definition =
                    parse::task_definition(sample.metadata.name.as_deref().unwrap(), &sample.spec)
                        .unwrap_or_else(|problems| panic!("{place}: {problems:?}"));
                assert_eq!(
                    security::admit(&definition, Profile::Baseline),
                    [],
                    "{place}"
                );
            }
            Some("EcsService") => {
                let sample: EcsService = serde_json::from_value(manifest).unwrap();
                assert_eq!(
                    parse::refused(Body::CreateService, &sample.spec),
                    [],
                    "{place}"
                );
                parse::service_placement(&sample.spec)
                    .unwrap_or_else(|problems| panic!("{place}: {problems:?}"));
            }
            Some("TargetGroup") => {
                let sample: TargetGroup = serde_json::from_value(manifest).unwrap();
                assert!(sample.spec.port > 0, "{place}");
            }
            Some("EcsTask") => {
                let sample: EcsTask = serde_json::from_value(manifest).unwrap();
                assert_eq!(parse::refused(Body::RunTask, &sample.spec), [], "{place}");
                parse::task_placement(&sample.spec)
                    .unwrap_or_else(|problems| panic!("{place}: {problems:?}"));
            }
            _ => continue,
        }
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} samples were found");
}

/// The targets of links in a page, without those that lead elsewhere.
fn links(text: &str) -> Vec<String> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .filter(|link| !link.contains("://") && !link.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut pages = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    for folder in ["docs", "docs/design", "docs/decisions"] {
        let entries = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        pages.extend(
            entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")),
        );
    }
    for page in pages {
        for link in links(&fs::read_to_string(&page).unwrap()) {
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
        }
    }
}

//! How large a definition may be, and its tasks.

use super::TaskDefinitionSpec;
use crate::domain::definition::rules::Problem;

/// Bytes of a definition as JSON (Amazon ECS service quotas, "Task definition size": 64 KB, which cannot be raised).
const QUOTA: usize = 64 * 1024;

/// That a definition is larger than ECS registers.
pub(super) fn problem(spec: &TaskDefinitionSpec) -> Option<Problem> {
    // A spec of ours always has a JSON form.
    let size = serde_json::to_vec(spec).unwrap_or_default().len();
    (size > QUOTA).then(|| Problem {
        field: "spec".to_owned(),
        message: format!(
            "the task definition has {size} bytes as JSON, of which ECS registers at most {QUOTA} (64 KiB): move texts into a ConfigMap or Secret (extensions.files, environmentFiles, secrets)"
        ),
    })
}

/// CPU units or MiB of a whole task.
pub(super) fn of_task(
    field: &str,
    text: Option<String>,
    unit: &str,
) -> Result<Option<u32>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let size = quantity(&text, unit).ok_or_else(|| Problem {
        field: field.to_owned(),
        message: format!(
            "'{text}' is not a size: give a whole number, or a number with the unit {unit}"
        ),
    });
    size.map(Some)
}

/// `512`, `0.5 vCPU`, `1 GB`: a whole number, or a number of `unit`s of 1024 each.
fn quantity(text: &str, unit: &str) -> Option<u32> {
    let lower = text.trim().to_ascii_lowercase();
    let Some(number) = lower.strip_suffix(unit) else {
        return lower.parse().ok();
    };
    let value = number.trim().parse::<f64>().ok()? * 1024.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked first"
    )]
    (0.0..=f64::from(u32::MAX))
        .contains(&value)
        .then_some(value.round() as u32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{task_definition, task_definition_of_task};
    use super::*;

    /// A definition of so many bytes.
    fn sized(bytes: usize) -> TaskDefinitionSpec {
        let of = |value: &str| -> TaskDefinitionSpec {
            let environment = json!([{"name": "TEXT", "value": value}]);
            let app =
                json!({"name": "app", "image": "web", "memory": 8, "environment": environment});
            serde_json::from_value(json!({"containerDefinitions": [app]})).unwrap()
        };
        let rest = serde_json::to_vec(&of("")).unwrap().len();
        of(&"x".repeat(bytes - rest))
    }

    #[test]
    fn a_definition_has_at_most_as_many_bytes_as_ecs_registers() {
        assert!(task_definition("web", &sized(QUOTA)).is_ok());
        let problems = task_definition("web", &sized(QUOTA + 1)).unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{problems:?}")
        };
        assert!(problem.message.contains("65537 bytes"), "{problem}");
        assert!(problem.message.contains("at most 65536"), "{problem}");
    }

    #[test]
    fn what_a_task_overrides_is_not_of_its_definition() {
        let overrides = json!({"containerOverrides": [
            {"name": "app", "environment": [{"name": "MORE", "value": "text"}]},
        ]});
        let overrides = serde_json::from_value(overrides).unwrap();
        let of_task = task_definition_of_task("web", &sized(QUOTA), Some(&overrides));
        assert!(of_task.is_ok(), "{of_task:?}");
    }
}

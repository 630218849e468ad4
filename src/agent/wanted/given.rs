//! What a container finds of what it was given: files, the token of its task's role, and where that is.

use std::collections::BTreeMap;

use super::{Rules, Wanted};
use crate::agent::files::{ROLE_FOLDER, TOKEN, place, role_place};
use crate::domain::definition::Container;
use crate::runtime::Mount;

impl Wanted {
    /// The files that `container` finds, from where the agent puts them.
    pub(super) fn given(&self, container: &Container, rules: &Rules) -> Vec<Mount> {
        let Some(folder) = rules.files.as_ref().filter(|_| !container.is_pause()) else {
            return Vec::new();
        };
        let mount = |place: String, path: &str| Mount {
            source: format!("{folder}/{place}"),
            path: path.to_owned(),
            read_only: true,
        };
        let files = container.files.iter().enumerate();
        let files = files
            .map(|(number, file)| mount(place(&self.uid, &container.name, number), &file.path));
        let role = self.definition.task_role.iter();
        let role = role.map(|_| mount(role_place(&self.uid), ROLE_FOLDER));
        files.chain(role).collect()
    }

    /// The container's own variables, and those by which programs assume a role of AWS with the token of the task's
    /// (AWS SDKs and Tools Reference Guide, "Assume role provider"). What the definition says itself goes first.
    pub(super) fn environment(&self, container: &Container) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        let role = self.definition.task_role.as_ref();
        let arn = role.and_then(|role| role.arn());
        if let Some(arn) = arn.filter(|_| !container.is_pause()) {
            let token = format!("{ROLE_FOLDER}/{TOKEN}");
            environment.insert("AWS_ROLE_ARN".to_owned(), arn.to_owned());
            environment.insert("AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(), token);
        }
        environment.extend(container.environment.clone());
        environment
    }
}

//! What is wrong with what a container names of Secrets and ConfigMaps, and with the files that it finds.

use std::collections::BTreeSet;

use crate::domain::definition::Container;
use crate::domain::supply::SecretReference;

/// What is wrong, by field.
pub(super) fn problems(container: &Container) -> Vec<(&'static str, String)> {
    let mut found = secrets(container);
    found.extend(log_secrets(container));
    found.extend(files(container));
    found
}

fn secrets(container: &Container) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for SecretReference { name, value_from } in &container.secrets {
        if container.environment.contains_key(name) || !names.insert(name) {
            found.push(("secrets", format!(
                "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '{name}'"
            )));
        }
        if value_from.is_empty() {
            found.push((
                "secrets",
                format!("{name} has no valueFrom: write secret:<name>:<key>"),
            ));
        }
    }
    found
}

fn log_secrets(container: &Container) -> Vec<(&'static str, String)> {
    const FIELD: &str = "logConfiguration.secretOptions";
    let Some(log) = &container.log else {
        let nobody = |secret: &SecretReference| {
            let message = format!(
                "{} is read by no log driver here: leave it out",
                secret.name
            );
            (FIELD, message)
        };
        return container.log_secrets.iter().map(nobody).collect();
    };
    let mut names: BTreeSet<&str> = log.options.keys().map(String::as_str).collect();
    let mut found = Vec::new();
    for SecretReference { name, .. } in &container.log_secrets {
        let driver = log.driver;
        if !driver.options().any(|option| option == name) {
            let options: Vec<&str> = driver.options().collect();
            let (driver, options) = (driver.as_str(), options.join(", "));
            let message = format!("{name} is not an option of {driver}, which has {options}");
            found.push((FIELD, message));
        }
        if !names.insert(name) {
            found.push((FIELD, format!("{name} stands twice: leave out one of both")));
        }
    }
    found
}

fn files(container: &Container) -> Vec<(&'static str, String)> {
    const FIELD: &str = "extensions.files";
    let tmpfs = container.settings.tmpfs.iter().map(|it| it.path.as_str());
    let mounts = container.mount_points.iter().map(|it| it.path.as_str());
    let mut paths: BTreeSet<&str> = tmpfs.chain(mounts).collect();
    let mut found = Vec::new();
    for file in &container.files {
        let path = file.path.as_str();
        if !path.starts_with('/') || path.ends_with('/') || path.contains(':') {
            found.push((
                FIELD,
                format!("'{path}' is not the absolute path of a file without ':': correct path"),
            ));
        }
        if !paths.insert(path) {
            found.push((
                FIELD,
                format!("two things are mounted at {path}: change one path"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::logs::{LogConfiguration, LogDriver};
    use crate::domain::definition::tests_support::container;
    use crate::domain::supply::{Content, File};

    fn reference(name: &str) -> SecretReference {
        SecretReference {
            name: name.into(),
            value_from: "secret:a:b".into(),
        }
    }

    #[test]
    fn a_variable_comes_from_one_place_and_names_a_value() {
        let mut app = container("app");
        app.secrets = vec![reference("A"), reference("B")];
        assert_eq!(problems(&app), []);
        app.environment.insert("A".into(), "1".into());
        app.secrets[1].value_from = String::new();
        assert_eq!(problems(&app).len(), 2);
    }

    #[test]
    fn a_secret_option_is_one_of_the_driver_and_given_once() {
        let mut app = container("app");
        app.log = Some(LogConfiguration {
            driver: LogDriver::Splunk,
            options: [("splunk-url".into(), "https://s".into())].into(),
        });
        app.log_secrets = vec![reference("splunk-token")];
        assert_eq!(problems(&app), []);
        app.log_secrets = vec![reference("splunk-url"), reference("token")];
        assert_eq!(problems(&app).len(), 2);
        app.log = None;
        assert_eq!(problems(&app).len(), 2);
    }

    #[test]
    fn a_file_has_a_path_of_its_own() {
        let mut app = container("app");
        let mut count = |paths: &[&str]| {
            let files = paths.iter().map(|path| File {
                path: (*path).into(),
                content: Content::Text("a".into()),
            });
            app.files = files.collect();
            problems(&app).len()
        };
        assert_eq!(count(&["/etc/a", "/etc/b"]), 0);
        assert_eq!(count(&["/etc/a", "/etc/a"]), 1);
        assert_eq!(count(&["etc/a", "/etc/", "/a:b"]), 3);
    }
}

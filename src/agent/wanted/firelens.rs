//! Where the output of each container goes, and what a task's log router needs for that.

use std::collections::BTreeMap;

use super::{Rules, Wanted};
use crate::domain::definition::firelens::{Facts, ROUTER_PORT, ROUTER_SOCKET, ROUTER_VOLUME};
use crate::domain::definition::logs::{LogConfiguration, LogDriver};
use crate::domain::definition::{Container, NetworkMode};
use crate::domain::ids;

impl Wanted {
    /// What the container says, or files that are bounded where the engine's own would not be.
    pub(super) fn log(&self, container: &Container, rules: &Rules) -> Option<LogConfiguration> {
        let Some(own) = &container.log else {
            let files = LogConfiguration::bounded_files();
            return (rules.log_driver == files.driver.as_str()).then_some(files);
        };
        Some(match own.driver {
            LogDriver::Firelens => self.to_router(container, own, rules).with_defaults(),
            LogDriver::JsonFile
            | LogDriver::Local
            | LogDriver::Journald
            | LogDriver::Syslog
            | LogDriver::Gelf
            | LogDriver::Fluentd
            | LogDriver::Splunk => own.with_defaults(),
        })
    }

    /// The engine speaks to the router as to Fluentd, at a socket in the volume that they share, and goes on while it is away.
    fn to_router(
        &self,
        container: &Container,
        own: &LogConfiguration,
        rules: &Rules,
    ) -> LogConfiguration {
        let volume = self.volume(ROUTER_VOLUME, rules);
        let volume = volume.map(|(spec, _)| spec.name).unwrap_or_default();
        let root = &rules.engine_root;
        let given = |option: &str| own.options.get(option).cloned();
        let options = [
            (
                "fluentd-address",
                Some(format!(
                    "unix://{root}/volumes/{volume}/_data/{ROUTER_SOCKET}"
                )),
            ),
            ("fluentd-async", Some("true".to_owned())),
            ("fluentd-sub-second-precision", Some("true".to_owned())),
            (
                "tag",
                Some(format!(
                    "{}-firelens-{}",
                    container.name,
                    ids::task_id(&self.uid)
                )),
            ),
            ("fluentd-buffer-limit", given("log-driver-buffer-limit")),
            ("mode", given("mode")),
            ("max-buffer-size", given("max-buffer-size")),
        ];
        let options = options.into_iter();
        LogConfiguration {
            driver: LogDriver::Fluentd,
            options: options
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
        }
    }

    /// The router's configuration, for the container that it is.
    pub(super) fn files(&self, container: &Container, rules: &Rules) -> BTreeMap<String, String> {
        let Some(router) = &container.router else {
            return BTreeMap::new();
        };
        let facts = Facts {
            cluster: self.cluster.clone(),
            task_arn: self.arn(),
            definition: format!("{}:{}", self.definition.family, self.revision),
            instance: rules.instance.clone(),
        };
        let path = router.kind.configuration_file().to_owned();
        BTreeMap::from([(path, router.configuration(&self.definition, &facts))])
    }

    /// Tells a container whose output is routed where its program can reach the router itself, as ECS does: where they share
    /// a network, and on the bridge, where the router has the address `on_bridge` since it started.
    #[must_use]
    pub fn router_variables(
        &self,
        container: &Container,
        on_bridge: Option<&str>,
    ) -> BTreeMap<String, String> {
        let host = match self.definition.network_mode {
            NetworkMode::Awsvpc => Some("127.0.0.1"),
            NetworkMode::Bridge => on_bridge,
            NetworkMode::Host | NetworkMode::None => None,
        };
        let told = host.filter(|_| container.is_routed()).map(|host| {
            [
                ("FLUENT_HOST".to_owned(), host.to_owned()),
                ("FLUENT_PORT".to_owned(), ROUTER_PORT.to_string()),
            ]
        });
        told.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::task::{EcsTask, EcsTaskSpec};
    use crate::api::task_definition::TaskDefinitionSpec;

    #[test]
    fn the_engine_finds_the_router_in_the_volume_that_the_router_listens_in() {
        let spec: TaskDefinitionSpec = serde_json::from_value(serde_json::json!({
            "networkMode": "awsvpc",
            "containerDefinitions": [
                {"name": "app", "image": "a", "memory": 64, "logConfiguration": {
                    "logDriver": "awsfirelens", "options": {"Name": "stdout", "log-driver-buffer-limit": "2097152"}}},
                {"name": "router", "image": "b", "memory": 64, "firelensConfiguration": {"type": "fluentbit"}},
            ],
        }))
        .unwrap();
        let mut task = EcsTask::new("one", EcsTaskSpec::default());
        task.metadata.uid = Some("0f3a9c2e-77d1".to_owned());
        let (root, family) = ("/srv/a-disk/of-another-name/lib/docker", "f".repeat(255));
        let rules = Rules {
            engine_root: root.to_owned(),
            pause_image: "pause:1".to_owned(),
            ..Rules::default()
        };
        let wanted = Wanted::read(&task, 3, &family, &spec, &rules);
        assert_eq!(wanted.refusal, None);
        let of = |name: &str| wanted.spec(wanted.container(name).unwrap(), &rules);
        let (app, router) = (of("app"), of("router"));
        let log = app.log.unwrap();
        assert_eq!(log.driver, LogDriver::Fluentd);
        let mount = &router.mounts[0];
        assert_eq!(mount.path, "/var/run");
        let socket = format!("{root}/volumes/{}/_data/fluent.sock", mount.source);
        assert_eq!(log.options["fluentd-address"], format!("unix://{socket}"));
        // As long as the kernel takes it (unix(7)), whatever the family is called.
        assert!(socket.len() <= 107, "{socket}");
        assert_eq!(log.options["fluentd-buffer-limit"], "2097152");
        assert_eq!(log.options["tag"], "app-firelens-0f3a9c2e77d1");
        assert_eq!(log.options["mode"], "non-blocking");
        let file = &router.files["/fluent-bit/etc/fluent-bit.conf"];
        let definition = format!("Record ecs_task_definition {family}:3");
        assert!(file.contains(&definition), "{file}");
        assert!(app.files.is_empty() && router.environment.is_empty());
    }

    #[test]
    fn who_is_routed_is_told_where_the_router_is_where_that_can_be_reached() {
        let told = |mode: &str, name: &str, on_bridge: Option<&str>| {
            let spec: TaskDefinitionSpec = serde_json::from_value(serde_json::json!({
                "networkMode": mode,
                "containerDefinitions": [
                    {"name": "app", "image": "a", "memory": 64, "logConfiguration": {"logDriver": "awsfirelens"}},
                    {"name": "beside", "image": "a", "memory": 64},
                    {"name": "router", "image": "b", "memory": 64, "firelensConfiguration": {"type": "fluentbit"}},
                ],
            }))
            .unwrap();
            let rules = Rules {
                profile: crate::domain::security::Profile::Privileged,
                ..Rules::default()
            };
            let task = EcsTask::new("one", EcsTaskSpec::default());
            let wanted = Wanted::read(&task, 3, "web", &spec, &rules);
            let told = wanted.router_variables(wanted.container(name).unwrap(), on_bridge);
            let (host, port) = (told.get("FLUENT_HOST"), told.get("FLUENT_PORT"));
            assert_eq!(port.map(String::as_str), host.map(|_| "24224"));
            host.cloned()
        };
        let at = Some("172.17.0.5");
        assert_eq!(told("bridge", "app", at).as_deref(), at);
        assert_eq!(told("bridge", "app", None), None);
        assert_eq!(told("awsvpc", "app", None).as_deref(), Some("127.0.0.1"));
        assert_eq!(told("host", "app", at), None);
        for name in ["beside", "router"] {
            assert_eq!(told("bridge", name, at), None);
        }
    }
}

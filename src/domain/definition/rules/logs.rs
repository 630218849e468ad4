//! What is wrong with the log configuration of a container.

use crate::domain::definition::Container;
use crate::domain::definition::logs::LogDriver;

/// What is wrong, by field.
pub(super) fn problems(container: &Container) -> Vec<(&'static str, String)> {
    const OPTIONS: &str = "logConfiguration.options";
    let Some(log) = &container.log else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let is_routed = log.driver == LogDriver::Firelens;
    let known =
        |name: &&String| is_routed || log.driver.options().any(|option| option == name.as_str());
    for name in log.options.keys().filter(|name| !known(name)) {
        let options: Vec<&str> = log.driver.options().collect();
        found.push((
            OPTIONS,
            format!(
                "{name} is not an option of {}, which has {}",
                log.driver.as_str(),
                options.join(", ")
            ),
        ));
    }
    let mode = log.options.get("mode").map(String::as_str);
    match mode {
        Some("blocking") if log.options.contains_key("max-buffer-size") => found.push((
            OPTIONS,
            "max-buffer-size is read only with mode non-blocking: leave out one of both".into(),
        )),
        None | Some("blocking" | "non-blocking") => {}
        Some(other) => found.push((
            OPTIONS,
            format!("mode is '{other}': give blocking or non-blocking"),
        )),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::logs::LogConfiguration;
    use crate::domain::definition::tests_support::container;

    #[test]
    fn an_option_belongs_to_its_driver() {
        let mut app = container("app");
        let mut count = |driver, options: &[(&str, &str)]| {
            let options = options.iter();
            app.log = Some(LogConfiguration {
                driver,
                options: options.map(|(a, b)| ((*a).into(), (*b).into())).collect(),
            });
            problems(&app).len()
        };
        assert_eq!(
            count(LogDriver::Gelf, &[("gelf-address", "udp://g:12201")]),
            0
        );
        assert_eq!(
            count(LogDriver::Syslog, &[("gelf-address", "udp://g:12201")]),
            1
        );
        assert_eq!(count(LogDriver::Local, &[("tag", "a")]), 1);
        assert_eq!(count(LogDriver::Local, &[("mode", "nonblocking")]), 1);
        assert_eq!(
            count(
                LogDriver::Local,
                &[("mode", "blocking"), ("max-buffer-size", "1m")]
            ),
            1
        );
    }
}

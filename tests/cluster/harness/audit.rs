//! The API server's audit log: a line for each write, whoever made it.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

/// A place in the log.
pub(crate) struct Mark {
    log: PathBuf,
    offset: u64,
}

/// One write.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) user: String,
    pub(crate) verb: String,
    /// `resource` or `resource/subresource`.
    pub(crate) resource: String,
    pub(crate) object: String,
}

impl Write {
    /// Whether the product made it: the controller or an agent.
    pub(crate) fn is_ours(&self) -> bool {
        self.user.contains(":ecs-operator")
    }
}

impl Mark {
    /// The end of the log, now.
    pub(crate) fn at_the_end(log: PathBuf) -> Self {
        let offset = std::fs::metadata(&log).unwrap().len();
        Self { log, offset }
    }

    /// All that was written since.
    pub(crate) fn since(&self) -> Vec<Write> {
        let mut file = std::fs::File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(self.offset)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let entries = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.map(|entry| write(&entry)).collect()
    }
}

fn write(entry: &Value) -> Write {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &entry["objectRef"];
    let resource = text(&object["resource"]);
    Write {
        user: text(&entry["user"]["username"]),
        verb: text(&entry["verb"]),
        resource: match object["subresource"].as_str() {
            Some(part) => format!("{resource}/{part}"),
            None => resource,
        },
        object: format!("{}/{}", text(&object["namespace"]), text(&object["name"])),
    }
}

/// How often each kind of write occurs.
pub(crate) fn counted(writes: &[Write]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for write in writes {
        let line = format!(
            "{} {} {} {}",
            write.user, write.verb, write.resource, write.object
        );
        *counts.entry(line).or_default() += 1;
    }
    counts
}

//! Files that tasks are given, in a folder beside the engine's socket, where both agent and engine can be.
//!
//! # Guarantees
//! The folder is in memory wherever the socket's is, as `/run` is on Linux and in instance pods. Of the instance's users
//! only root can enter it; a container sees only what is mounted into it, and may not change that. A token is replaced as a
//! whole. What is there survives the agent, so that neither a container that is started again nor an agent needs the broker.
//!
//! # Assumptions
//! Reading and writing there takes no time, so that no thread of its own does it.
//!
//! # Caveats
//! A restart of the machine empties the folder. Containers that had files are not started again then: their task ends, and
//! its service makes another.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::domain::secret::Secret;
use crate::domain::supply::{Content, File, Supply};

/// The folder within that of the engine's socket.
pub const FOLDER: &str = "ecs-operator-tasks";
/// Where a container finds the token of its task's role.
pub const ROLE_FOLDER: &str = "/var/run/secrets/ecs-operator.io/task-role";
/// Name of the token in it.
pub const TOKEN: &str = "token";
/// Folder of a task with its role's token.
const ROLE: &str = "role";

/// The folder of all tasks' files, as the agent sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files(PathBuf);

/// Where the `number`th file of a container is, seen from the folder of all tasks.
#[must_use]
pub fn place(uid: &str, container: &str, number: usize) -> String {
    format!("{uid}/files/{container}/{number}")
}

/// Where the token of a task's role is, seen from the folder of all tasks.
#[must_use]
pub fn role_place(uid: &str) -> String {
    format!("{uid}/{ROLE}")
}

impl Files {
    /// Files in this folder, which is made when it is needed.
    #[must_use]
    pub const fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Writes what a container is to find: its files, and the token of its task's role.
    ///
    /// # Errors
    /// When a file cannot be written, or nothing was given for it.
    pub fn provide(
        &self,
        uid: &str,
        container: &str,
        files: &[File],
        supply: &Supply,
    ) -> io::Result<()> {
        for (number, file) in files.iter().enumerate() {
            let content = match &file.content {
                Content::Text(text) => Some(text.as_bytes()),
                Content::From(_) => supply.files.expose().get(&file.path).map(Vec::as_slice),
            };
            let missing = || io::Error::other(format!("nothing was given for {}", file.path));
            self.replace(&place(uid, container, number), content.ok_or_else(missing)?)?;
        }
        match &supply.role_token {
            Some(token) => self.keep_token(uid, token),
            None => Ok(()),
        }
    }

    /// Puts a token in the place of the one that is there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_token(&self, uid: &str, token: &Secret<String>) -> io::Result<()> {
        let place = format!("{}/{TOKEN}", role_place(uid));
        self.replace(&place, token.expose().as_bytes())
    }

    /// The token of a task's role, if there is one.
    #[must_use]
    pub fn token(&self, uid: &str) -> Option<Secret<String>> {
        let path = self.0.join(role_place(uid)).join(TOKEN);
        fs::read_to_string(path).ok().map(Secret::new)
    }

    /// Whether all that a container has mounted is still there.
    #[must_use]
    pub fn are_there(&self, uid: &str, container: &str, files: usize, has_role: bool) -> bool {
        let mut places = (0..files).map(|number| place(uid, container, number));
        let is_there = |place: &str| self.0.join(place).exists();
        places.all(|place| is_there(&place)) && (!has_role || is_there(&role_place(uid)))
    }

    /// Removes all that a task was given.
    ///
    /// # Errors
    /// When something of it stays.
    pub fn forget(&self, uid: &str) -> io::Result<()> {
        gone(fs::remove_dir_all(self.0.join(uid)))
    }

    /// UIDs of the tasks that have something here.
    #[must_use]
    pub fn tasks(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// A reader finds the whole of the old or the whole of the new.
    fn replace(&self, place: &str, content: &[u8]) -> io::Result<()> {
        make_folder(&self.0, 0o700)?;
        let path = self.0.join(place);
        if let Some(folder) = path.parent() {
            make_folder(folder, 0o755)?;
        }
        let new = path.with_extension("new");
        // What an agent that died has left cannot be written to, not even by its owner.
        remove(&new)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o444)
            .open(&new)?;
        file.write_all(content)?;
        fs::rename(new, path)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    gone(fs::remove_file(path))
}

/// What is not there is removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(path: &str, content: Content) -> File {
        File {
            path: path.into(),
            content,
        }
    }

    #[test]
    fn files_are_there_until_their_task_is_forgotten_and_only_root_can_enter() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::at(folder.path().join("tasks"));
        let wanted = [
            file("/etc/text", Content::Text("hello".into())),
            file("/etc/key", Content::From("secret:a:b".into())),
        ];
        assert!(
            files
                .provide("u", "app", &wanted, &Supply::default())
                .is_err()
        );
        let given = BTreeMap::from([("/etc/key".to_owned(), vec![0, 255])]);
        let supply = Supply {
            files: Secret::new(given),
            role_token: Some(Secret::new("first".into())),
            ..Supply::default()
        };
        files.provide("u", "app", &wanted, &supply).unwrap();
        files.provide("u", "app", &wanted, &supply).unwrap();
        let found = |number| fs::read(files.0.join(place("u", "app", number))).unwrap();
        assert_eq!((found(0), found(1)), (b"hello".to_vec(), vec![0, 255]));
        let mode = fs::metadata(&files.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(files.are_there("u", "app", 2, true));
        assert!(!files.are_there("u", "other", 1, false));
        assert_eq!(files.tasks(), ["u"]);

        files
            .keep_token("u", &Secret::new("second".into()))
            .unwrap();
        assert_eq!(files.token("u").unwrap().expose(), "second");
        files.forget("u").unwrap();
        files.forget("u").unwrap();
        assert_eq!((files.token("u"), files.tasks()), (None, Vec::new()));
    }
}

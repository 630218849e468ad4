//! The local cluster as `hack/cluster/cluster` made it: its folder, its nodes, and the programs that drive it.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::engine::Engine;

/// How a program ended, and all that it said.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) text: String,
}

impl Said {
    /// What it said, if it succeeded.
    #[track_caller]
    pub(crate) fn expect(self) -> String {
        assert!(self.success, "{}", self.text);
        self.text
    }

    /// What it said, if it failed.
    #[track_caller]
    pub(crate) fn expect_failure(self) -> String {
        assert!(!self.success, "it succeeded: {}", self.text);
        self.text
    }
}

/// The folder of the cluster's state, once for all.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    state: PathBuf,
}

impl Machine {
    /// Where the environment says that it is.
    ///
    /// # Panics
    /// When no cluster is up, with what to do about it.
    pub(crate) fn find() -> Self {
        let state = std::env::var_os("ECS_OPERATOR_CLUSTER").map(PathBuf::from);
        let state = state.filter(|state| state.join("complete").exists());
        let state = state.expect(
            "no cluster is up for these tests: `hack/cluster/cluster up 3 && hack/images && hack/engine-image && eval \"$(make -s env)\"`, or `make test`, which does all of it",
        );
        assert!(
            std::env::var_os("KUBECONFIG").is_some(),
            "KUBECONFIG is not set: eval \"$(make -s env)\""
        );
        Self { state }
    }

    /// Held by whoever tests on the cluster, until it is dropped.
    pub(crate) async fn lock(&self) -> File {
        let file = File::create(self.state.join("tests.lock")).unwrap();
        let lock = move || file.lock().map(|()| file);
        tokio::task::spawn_blocking(lock).await.unwrap().unwrap()
    }

    /// Names of the nodes, in order.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.state).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut nodes: Vec<String> = names.filter(|name| name.starts_with("node-")).collect();
        nodes.retain(|name| self.state.join(name).is_dir());
        nodes.sort();
        nodes
    }

    pub(crate) fn engines(&self) -> Vec<Engine> {
        let nodes = self.nodes();
        nodes
            .iter()
            .map(|node| Engine::of(&self.state, node))
            .collect()
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.state.join("log/audit.log")
    }

    /// The cluster's certificate authority, of which its registry's certificate is too.
    pub(crate) fn authority(&self) -> PathBuf {
        self.state.join("pki/ca.crt")
    }

    /// The newest log of each of the product's pods, by path.
    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for node in self.nodes() {
            logs_under(&self.state.join(node).join("log/pods"), &mut found);
        }
        found.retain(|path| path.to_string_lossy().contains("ecs-operator"));
        found
    }

    /// A verb of `hack/cluster/cluster`, such as `node node-3 off`.
    pub(crate) async fn verb(&self, arguments: &str) -> Said {
        let program = root().join("hack/cluster/cluster");
        let arguments: Vec<&str> = arguments.split(' ').collect();
        run(&program.to_string_lossy(), &arguments).await
    }
}

/// The checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `kubectl` with these arguments.
pub(crate) async fn kubectl(arguments: &[&str]) -> Said {
    run("kubectl", arguments).await
}

/// `helm` with these arguments.
pub(crate) async fn helm(arguments: &[&str]) -> Said {
    run("helm", arguments).await
}

/// Our own program, as somebody with a kubeconfig runs it.
pub(crate) async fn ours(arguments: &[&str]) -> Said {
    run(env!("CARGO_BIN_EXE_ecs-operator"), arguments).await
}

/// Any program, to its end.
///
/// Its output goes through a file: a daemon that it leaves behind would hold a pipe open.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Said {
    let line = format!("{program} {}", arguments.join(" "));
    let mut output = tempfile::tempfile().unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap());
    let status = tokio::task::spawn_blocking(move || command.status())
        .await
        .unwrap()
        .unwrap_or_else(|error| panic!("{line}: {error} (eval \"$(make -s env)\" sets PATH)"));
    let mut text = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut text).unwrap();
    Said {
        success: status.success(),
        text: format!("$ {line}\n{text}"),
    }
}

fn logs_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            logs_under(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            found.push(path);
        }
    }
}

//! Somebody with a client certificate of the cluster and no right but those that a test gives.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::machine::{Said, kubectl, run};
use super::{SOON, Scene};

/// A kubeconfig, and the user that it makes one.
pub(crate) struct Person {
    name: String,
    namespace: String,
    folder: TempDir,
}

impl Person {
    /// The API server's own signer certifies a user of this scene.
    pub(crate) async fn new(scene: &Scene, name: &str) -> Self {
        let name = format!("{name}-{}", scene.namespace);
        let folder = tempfile::tempdir().unwrap();
        let at = |file: &str| folder.path().join(file).to_string_lossy().into_owned();
        let make = format!(
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout {} -out {}",
            at("key.pem"),
            at("request.pem")
        );
        sh(&make).await;
        let request = sh(&format!("base64 -w0 {}", at("request.pem"))).await;
        let csr = json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {
                "request": request,
                "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["client auth"],
            },
        });
        scene.put(&csr).await;
        kubectl(&["certificate", "approve", &name]).await.expect();
        let look = format!("kubectl get csr {name} -o jsonpath={{.status.certificate}}");
        let certificate = scene
            .eventually("a certificate", SOON, async || {
                let certificate = sh(&look).await;
                let signed = !certificate.is_empty();
                signed
                    .then_some(certificate)
                    .ok_or_else(|| "none yet".to_owned())
            })
            .await;
        kubectl(&["delete", "csr", &name]).await.expect();
        let shown = sh("kubectl config view --raw --minify -o json").await;
        let mut config: Value = serde_json::from_str(&shown).unwrap();
        config["users"][0]["user"] = json!({
            "client-certificate-data": certificate,
            "client-key": at("key.pem"),
        });
        std::fs::write(folder.path().join("kubeconfig"), config.to_string()).unwrap();
        Self {
            name,
            namespace: scene.namespace.clone(),
            folder,
        }
    }

    /// Gives one right in the scene's namespace: on a resource of a group.
    pub(crate) async fn may(&self, scene: &Scene, verbs: &[&str], (group, resource): (&str, &str)) {
        let role = format!("{}-{group}-{}", self.name, resource.replace('/', "-"));
        let metadata = json!({"name": role, "namespace": self.namespace});
        let authority = "rbac.authorization.k8s.io";
        let version = format!("{authority}/v1");
        let granted = json!({"apiGroups": [group], "resources": [resource], "verbs": verbs});
        scene
            .put(&json!({
                "apiVersion": version, "kind": "Role", "metadata": metadata, "rules": [granted],
            }))
            .await;
        scene
            .put(&json!({
                "apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": authority, "kind": "Role", "name": role},
                "subjects": [{"apiGroup": authority, "kind": "User", "name": self.name}],
            }))
            .await;
    }

    /// `kubectl ecs` as they type it.
    pub(crate) async fn ecs(&self, arguments: &[&str]) -> Said {
        said(&self.plugin(arguments)).await
    }

    /// `kubectl get --raw`, for what has no command of its own.
    pub(crate) async fn raw(&self, path: &str) -> Said {
        said(&self.line(&["kubectl", "get", "--raw", path])).await
    }

    /// The same as [`Self::ecs`], while it runs.
    pub(crate) fn starts(&self, arguments: &[&str]) -> Underway {
        let output = NamedTempFile::new().unwrap();
        let child = Command::new("env")
            .args(self.plugin(arguments))
            .stdin(Stdio::null())
            .stdout(output.reopen().unwrap())
            .stderr(output.reopen().unwrap())
            .kill_on_drop(true)
            .spawn();
        Underway {
            child: child.unwrap(),
            output,
        }
    }

    /// The same at a terminal.
    pub(crate) fn at_a_terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::new(&self.plugin(arguments))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn plugin(&self, arguments: &[&str]) -> Vec<String> {
        // Everything after `--` is the command's own.
        let own = arguments.iter().position(|word| *word == "--");
        let (ours, rest) = arguments.split_at(own.unwrap_or(arguments.len()));
        let namespace = ["--namespace", self.namespace.as_str()];
        let program = [env!("CARGO_BIN_EXE_kubectl-ecs")];
        self.line(&[&program[..], ours, &namespace, rest].concat())
    }

    /// For `env`.
    fn line(&self, words: &[&str]) -> Vec<String> {
        let kubeconfig = self.folder.path().join("kubeconfig");
        let kubeconfig = format!("KUBECONFIG={}", kubeconfig.display());
        let words = words.iter().map(|word| (*word).to_owned());
        std::iter::once(kubeconfig).chain(words).collect()
    }
}

async fn said(line: &[String]) -> Said {
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    run("env", &line).await
}

/// What a line of shell prints.
async fn sh(line: &str) -> String {
    let done = Command::new("sh").args(["-c", line]).output().await;
    let done = done.unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{line}: {errors}");
    String::from_utf8(done.stdout).unwrap()
}

/// A command that goes on until it is told to stop, or dropped.
pub(crate) struct Underway {
    child: Child,
    output: NamedTempFile,
}

impl Underway {
    /// All that it has said so far.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.output.path()).unwrap()
    }

    /// Waits for its end; its exit code, and all that it said.
    pub(crate) async fn ends(mut self) -> (Option<i32>, String) {
        let ended = timeout(SOON, self.child.wait()).await;
        let text = self.text();
        let ended = ended.unwrap_or_else(|_| panic!("it does not end: {text}"));
        (ended.unwrap().code(), text)
    }
}

/// A command in a terminal of its own, whose keys and size are ours.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn new(line: &[String]) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        let far = ptsname(&near, Vec::new()).unwrap().into_string().unwrap();
        let far = File::options().read(true).write(true).open(far).unwrap();
        // As the kernel does for a person, it is told of a change of the size because the terminal controls its session.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", "env"])
            .args(line)
            .stdin(far.try_clone().unwrap())
            .stdout(far.try_clone().unwrap())
            .stderr(far)
            .kill_on_drop(true)
            .spawn();
        let keys = File::from(near);
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, show) = (keys.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut part = [0; 1024];
            // A terminal that nobody holds any more ends with an error.
            while let Ok(count @ 1..) = screen.read(&mut part) {
                let text = String::from_utf8_lossy(&part[..count]);
                show.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&text);
            }
        });
        Self {
            child: child.unwrap(),
            keys,
            shown,
        }
    }

    /// All that it has shown so far.
    pub(crate) fn text(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }

    pub(crate) fn types(&self, keys: &str) {
        (&self.keys).write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn has_size(&self, columns: u16, lines: u16) {
        let size = Winsize {
            ws_row: lines,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.keys, size).unwrap();
    }

    /// Waits for its end; its exit code, and all that it showed.
    pub(crate) async fn ends(mut self) -> (Option<i32>, String) {
        let ended = timeout(SOON, self.child.wait()).await;
        let text = self.text();
        let ended = ended.unwrap_or_else(|_| panic!("it does not end: {text}"));
        (ended.unwrap().code(), text)
    }
}

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A folder with a provider, which is the shell. It writes down each of its calls.
struct Folder {
    folder: TempDir,
    clock: Clock,
}

const IMAGE: &str = "1.dkr.ecr.eu-west-1.amazonaws.com/shop/web:1";

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink("/bin/sh", folder.path().join("shell")).unwrap();
        let clock = Clock::system();
        Self { folder, clock }
    }

    fn read(&self, configuration: &Value) -> Result<Providers, String> {
        let file = self.folder.path().join("configuration.yaml");
        fs::write(&file, configuration.to_string()).unwrap();
        Providers::read(&file, self.folder.path(), self.clock)
    }

    /// A provider for ECR that is this script.
    fn script(&self, script: &str) -> Providers {
        let calls = self.folder.path().join("calls");
        let script = format!("cat >>{}; {script}", calls.display());
        self.read(&configuration(&script)).unwrap()
    }

    /// What it was asked, all calls together.
    fn asked(&self) -> String {
        fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default()
    }

    fn calls(&self) -> usize {
        self.asked().matches("apiVersion").count()
    }
}

fn configuration(script: &str) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig",
        "providers": [{
            "name": "shell", "matchImages": ["*.dkr.ecr.*.amazonaws.com"],
            "defaultCacheDuration": "12h", "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
            "args": ["-c", script], "env": [{"name": "PASSWORD", "value": "hunter2"}],
        }],
    })
}

/// A script that answers this password.
fn answers(password: &str, duration: &str) -> String {
    format!(
        r#"echo "{{\"apiVersion\": \"credentialprovider.kubelet.k8s.io/v1\", \"kind\": \"CredentialProviderResponse\",
            \"cacheKeyType\": \"Registry\", \"cacheDuration\": \"{duration}\",
            \"auth\": {{\"*.dkr.ecr.*.amazonaws.com\": {{\"username\": \"AWS\", \"password\": \"{password}\"}}}}}}""#
    )
}

fn later(refusal: Result<Option<Credentials>, Refusal>) -> String {
    match refusal {
        Err(Refusal::Later(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_program_is_asked_for_an_image_and_its_answer_counts_for_the_registry() {
    let folder = Folder::new();
    let providers = folder.script(&answers("$PASSWORD", "6h0m0s"));
    let found = providers.credentials(IMAGE).await.unwrap().unwrap();
    let password = found.password.expose().as_str();
    assert_eq!((found.username.as_str(), password), ("AWS", "hunter2"));
    let asked: Value = serde_json::from_str(&folder.asked()).unwrap();
    let expected = json!({
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "kind": "CredentialProviderRequest",
        "image": "1.dkr.ecr.eu-west-1.amazonaws.com/shop/web",
    });
    assert_eq!(asked, expected);
    let other = IMAGE.replace("shop/web", "other");
    assert_eq!(providers.credentials(&other).await.unwrap(), Some(found));
    assert_eq!(folder.calls(), 1);
    let elsewhere = IMAGE.replace("eu-west-1", "eu-west-2");
    providers.credentials(&elsewhere).await.unwrap();
    assert_eq!(folder.calls(), 2);
}

#[tokio::test]
async fn many_that_ask_at_once_start_one_program() {
    let folder = Folder::new();
    let providers = folder.script(&answers("p", "6h0m0s"));
    let all = futures::future::join_all((0..20).map(|_| providers.credentials(IMAGE))).await;
    assert!(all.into_iter().all(|found| found.unwrap().is_some()));
    assert_eq!(folder.calls(), 1);
}

#[tokio::test]
async fn an_answer_that_may_not_be_kept_is_asked_for_again() {
    let folder = Folder::new();
    let providers = folder.script(&answers("p", "0s"));
    for calls in 1..=2 {
        providers.credentials(IMAGE).await.unwrap();
        assert_eq!(folder.calls(), calls);
    }
}

#[tokio::test]
async fn a_program_that_fails_is_complained_about_without_its_answer() {
    let folder = Folder::new();
    for script in [
        "echo hunter2; echo denied >&2; exit 3",
        "echo hunter2",
        "exit 0",
        "kill -9 $$",
        // More than it may write, on either way out; neither holds it up.
        "yes hunter2 | head -c 1000000",
        "yes hunter2 | head -c 1000000 >&2; exit 1",
    ] {
        let providers = folder.script(script);
        let message = later(providers.credentials(IMAGE).await);
        assert!(
            message.contains("credential provider shell fails"),
            "{message}"
        );
        assert!(!message.contains("hunter2"), "{message}");
        let told = providers.0[0].program.ask(IMAGE).await.unwrap_err();
        assert!(
            told.len() < 2000 && (script.contains("&2") || !told.contains("hunter2")),
            "{told}"
        );
    }
    let told = folder.script("echo no role >&2; exit 3").0[0]
        .program
        .ask(IMAGE)
        .await;
    assert_eq!(told.unwrap_err(), "exit status: 3: no role");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_hangs_is_given_up_and_killed() {
    let folder = Folder::new();
    let life = folder.folder.path().join("life");
    let mut mkfifo = std::process::Command::new("mkfifo");
    assert!(mkfifo.arg(&life).status().unwrap().success());
    let hang = format!("exec >{}; echo; exec sleep 1000", life.display());
    let providers = folder.script(&hang);
    // Time stands still until the program runs, and the pipe ends with the program.
    let runs = tokio::task::spawn_blocking(move || {
        let mut pipe = fs::File::open(life).unwrap();
        pipe.read_exact(&mut [0]).unwrap();
        pipe
    });
    let (found, pipe) = tokio::join!(providers.credentials(IMAGE), runs);
    let message = later(found);
    assert!(
        message.contains("credential provider shell fails"),
        "{message}"
    );
    assert_eq!(pipe.unwrap().read(&mut [0]).unwrap(), 0);
}

#[tokio::test]
async fn a_program_without_credentials_for_an_image_leaves_it_to_anybody() {
    let folder = Folder::new();
    let none = answers("p", "1h").replace("*.dkr", "2.dkr");
    let providers = folder.script(&none);
    assert_eq!(providers.credentials(IMAGE).await, Ok(None));
}

#[tokio::test]
async fn an_image_that_no_program_is_for_is_refused_with_what_to_do() {
    let folder = Folder::new();
    for providers in [Providers::default(), folder.script("exit 1")] {
        let refusal = providers.credentials("registry.example/web").await;
        let Err(Refusal::Impossible(message)) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(message.contains("broker.credentialProviders"), "{message}");
    }
    assert_eq!(folder.calls(), 0);
}

#[test]
fn a_file_that_cannot_be_carried_out_says_why() {
    let folder = Folder::new();
    let names: Vec<String> = folder
        .read(&configuration(""))
        .unwrap()
        .names()
        .map(str::to_owned)
        .collect();
    assert_eq!(names, ["shell"]);
    for (pointer, wrong, why) in [
        ("/kind", json!("Config"), "no CredentialProviderConfig"),
        (
            "/providers/0/name",
            json!("../shell"),
            "a program in the folder",
        ),
        ("/providers/0/name", json!("other"), "there is no program"),
        (
            "/providers/0/apiVersion",
            json!("v1"),
            "provider shell: apiVersion has to be",
        ),
        ("/providers/0/matchImages", json!([]), "names no image"),
        (
            "/providers/0/matchImages",
            json!(["a.io/*"]),
            "beyond its host",
        ),
        (
            "/providers/0/defaultCacheDuration",
            json!("soon"),
            "no duration",
        ),
        ("/providers/0/env/0", json!({"name": "A"}), "value"),
        ("/providers/0/tokenAttributes", json!({}), "tokenAttributes"),
        (
            "/providers/1",
            configuration("")["providers"][0].clone(),
            "is there twice",
        ),
    ] {
        let mut file = configuration("");
        match file.pointer_mut(pointer) {
            Some(field) => *field = wrong,
            None if pointer.ends_with('1') => file["providers"].as_array_mut().unwrap().push(wrong),
            None => file["providers"][0]["tokenAttributes"] = wrong,
        }
        let message = folder.read(&file).unwrap_err();
        assert!(message.contains(why), "{message}");
    }
    let absent = Providers::read(Path::new("/nowhere/file"), Path::new("/"), folder.clock);
    assert!(absent.unwrap_err().contains("/nowhere/file"));
}

//! One test's turn on the cluster: its namespace, its recorder, the things it can do, and its end, at which the recorder is
//! asked whether any rule was broken.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ecs_operator::api::service::EcsService;
use ecs_operator::api::task::EcsTask;
use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    ValidationDirective,
};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::engine::{Engine, SERVICE, TASK_UID};
use super::fixtures::Fixture;
use super::foreign::{self, Foreign};
use super::machine::{Machine, kubectl, run};
use super::recorder::Recorder;
use super::restore::{LABEL, TAINT};
use super::turns::{self, Company, Load};
use super::{SOON, audit};

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// A test's world.
pub(crate) struct Scene {
    pub(crate) machine: Machine,
    pub(crate) kube: Client,
    pub(crate) namespace: String,
    pub(crate) recorder: Recorder,
    company: Company,
}

/// Runs a test that has the whole cluster for itself, in a namespace named after `name`: one that breaks parts of it, or that
/// looks at all of it.
///
/// # Panics
/// When the test does, or the recorder saw a rule broken; all that helps to see why is printed first.
pub(crate) async fn on_the_cluster(name: &str, test: impl AsyncFnOnce(&Scene)) {
    let _turn = turns::alone().await;
    perform(name, Company::Alone, test).await;
}

/// Runs a test beside others: one that minds only its own namespace, and whatever the others do to a controller.
///
/// # Panics
/// As [`on_the_cluster`].
pub(crate) async fn beside_others(name: &str, test: impl AsyncFnOnce(&Scene)) {
    let _turn = turns::beside(Load::Working).await;
    perform(name, Company::Others, test).await;
}

/// The same for a test that takes minutes and mostly waits.
///
/// # Panics
/// As [`on_the_cluster`].
pub(crate) async fn beside_all_others(name: &str, test: impl AsyncFnOnce(&Scene)) {
    let _turn = turns::beside(Load::Waiting).await;
    perform(name, Company::Others, test).await;
}

async fn perform(name: &str, company: Company, test: impl AsyncFnOnce(&Scene)) {
    let begun = Instant::now();
    let scene = Scene::new(name, company).await;
    let outcome = AssertUnwindSafe(play(&scene, test)).catch_unwind().await;
    let took = begun.elapsed().as_secs();
    if let Err(panic) = outcome {
        turns::spoilt();
        eprintln!("---- {name} failed after {took} s; the cluster at that moment:");
        scene.dump().await;
        std::panic::resume_unwind(panic);
    }
    eprintln!("---- {name}: {took} s");
}

async fn play(scene: &Scene, test: impl AsyncFnOnce(&Scene)) {
    scene.make_namespace(&scene.namespace).await;
    let foreign = foreign::seen(&scene.machine).await;
    test(scene).await;
    scene.leave(foreign).await;
    let violations = scene.recorder.violations();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

impl Scene {
    /// A world in which nothing has happened yet.
    pub(super) async fn new(name: &str, company: Company) -> Self {
        let machine = Machine::find();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let kube = Client::try_default()
            .await
            .expect("KUBECONFIG leads to a cluster");
        let recorder = Recorder::start(&machine.engines(), company);
        let namespace = format!("{name}-{}-{number}", std::process::id());
        Self {
            machine,
            kube,
            namespace,
            recorder,
            company,
        }
    }

    /// `namespace/service`, as the recorder calls it.
    pub(crate) fn key(&self, service: &str) -> String {
        format!("{}/{service}", self.namespace)
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.kube.clone(), &self.namespace)
    }

    pub(crate) fn engine(&self, node: &str) -> Engine {
        let engines = self.machine.engines();
        let engine = engines.into_iter().find(|engine| engine.node == node);
        engine.unwrap_or_else(|| panic!("there is no node {node}"))
    }

    /// Applies an object as `kubectl apply --server-side` does, or says why the API server refused it.
    pub(crate) async fn try_put(&self, object: &Value) -> Result<(), String> {
        let found: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let types = found.types.clone().unwrap();
        let core = ("", types.api_version.as_str());
        let (group, version) = types.api_version.split_once('/').unwrap_or(core);
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
        let api: Api<DynamicObject> = match &found.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.kube.clone(), namespace, &resource),
            None => Api::all_with(self.kube.clone(), &resource),
        };
        let mut how = PatchParams::apply("cluster-tests").force();
        how.field_validation = Some(ValidationDirective::Strict);
        let name = found.metadata.name.clone().unwrap();
        let put = api.patch(&name, &how, &Patch::Apply(object)).await;
        put.map(drop).map_err(|error| error.to_string())
    }

    /// Applies an object that must be accepted.
    pub(crate) async fn put(&self, object: &Value) {
        let put = self.try_put(object).await;
        put.unwrap_or_else(|error| panic!("{}: {error}", object["metadata"]));
    }

    /// Applies a fixture's task definition and service, and tells the recorder the service's bound.
    pub(crate) async fn apply(&self, fixture: &Fixture) {
        self.recorder
            .bound(&self.key(&fixture.name), fixture.bound());
        self.put(&fixture.definition_object(&self.namespace)).await;
        self.put(&fixture.service_object(&self.namespace)).await;
    }

    /// `kubectl scale`, after telling the recorder.
    pub(crate) async fn scale(&self, fixture: &Fixture, desired: usize) {
        self.recorder
            .bound(&self.key(&fixture.name), fixture.bound_at(desired));
        let replicas = format!("--replicas={desired}");
        let scale = [
            "scale",
            "ecsservice",
            &fixture.name,
            "-n",
            &self.namespace,
            &replicas,
        ];
        kubectl(&scale).await.expect();
    }

    /// Polls `look` until it succeeds; gives up after `limit`, a bound and no promise, with what it saw last.
    pub(crate) async fn eventually<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl AsyncFn() -> Result<T, String>,
    ) -> T {
        let end = Instant::now() + limit;
        loop {
            match look().await {
                Ok(seen) => return seen,
                Err(seen) if Instant::now() > end => {
                    panic!(
                        "gave up waiting for {what} after {} s: {seen}",
                        limit.as_secs()
                    )
                }
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Waits until nobody of ours has written anything but Leases for this long; of what is in a namespace, only the test's own
    /// counts where it is not alone.
    pub(crate) async fn quiet(&self, time: Duration) {
        self.eventually("the end of the writes", SOON, async || {
            let mark = self.mark();
            sleep(time).await;
            let mut writes = mark.since();
            writes.retain(|write| write.is_ours() && write.resource != "leases");
            if self.company == Company::Others {
                writes.retain(|write| write.object.starts_with(&self.namespace));
            }
            if writes.is_empty() {
                Ok(())
            } else {
                Err(format!("{:#?}", audit::counted(&writes)))
            }
        })
        .await;
    }

    /// A place in the API server's log of writes.
    pub(crate) fn mark(&self) -> audit::Mark {
        audit::Mark::at_the_end(self.machine.audit_log())
    }

    pub(crate) async fn make_namespace(&self, name: &str) {
        let api: Api<Namespace> = Api::all(self.kube.clone());
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {LABEL: "true"}},
        });
        let object = serde_json::from_value(object).unwrap();
        api.create(&kube::api::PostParams::default(), &object)
            .await
            .unwrap();
    }

    /// Deletes an object of the test's namespace, and does not wait until it is gone.
    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        let arguments = ["delete", kind, name, "-n", &self.namespace, "--wait=false"];
        kubectl(&arguments).await.expect();
    }

    /// Sets an instance ACTIVE or DRAINING, as people do.
    pub(crate) async fn set_instance(&self, instance: &str, state: &str) {
        let patch = format!(r#"{{"spec":{{"status":"{state}"}}}}"#);
        kubectl(&[
            "patch",
            "containerinstance",
            instance,
            "--type=merge",
            "-p",
            &patch,
        ])
        .await
        .expect();
    }

    /// Replaces an instance's custom attributes; `{}` takes all of them away.
    pub(crate) async fn set_attributes(&self, instance: &str, attributes: &Value) {
        let patch = json!([{"op": "add", "path": "/spec/attributes", "value": attributes}]);
        kubectl(&[
            "patch",
            "containerinstance",
            instance,
            "--type=json",
            "-p",
            &patch.to_string(),
        ])
        .await
        .expect();
    }

    /// Takes a node's agent away for as long as the taint is there. The node stays Ready.
    pub(crate) async fn hold_agent_down(&self, node: &str) {
        let taint = format!("{TAINT}=true:NoExecute");
        kubectl(&["taint", "node", node, &taint]).await.expect();
    }

    pub(crate) async fn let_agent_up(&self, node: &str) {
        kubectl(&["taint", "node", node, &format!("{TAINT}-")])
            .await
            .expect();
    }

    /// The end of every test: nothing of it is left on any engine, and nothing of others' is missing.
    async fn leave(&self, foreign: Vec<Foreign>) {
        let api: Api<Namespace> = Api::all(self.kube.clone());
        api.delete(&self.namespace, &DeleteParams::default())
            .await
            .unwrap();
        let said = |error: kube::Error| error.to_string();
        // What is ours in it; Kubernetes takes its time over the rest, and `restore` sees that it comes to an end.
        self.eventually(
            "the end of the namespace's services and tasks",
            SOON,
            async || {
                let everything = ListParams::default();
                let services = self.api::<EcsService>().list(&everything).await;
                let tasks = self.api::<EcsTask>().list(&everything).await;
                let (services, tasks) = (services.map_err(said)?, tasks.map_err(said)?);
                if !(services.items.is_empty() && tasks.items.is_empty()) {
                    let names = services.iter().map(ResourceExt::name_any);
                    let names = names.chain(tasks.iter().map(ResourceExt::name_any));
                    return Err(names.collect::<Vec<_>>().join(", "));
                }
                Ok(())
            },
        )
        .await;
        for engine in self.machine.engines() {
            let mut left = engine.list(TASK_UID).await.unwrap();
            if self.company == Company::Others {
                left.retain(|container| container.label(SERVICE).starts_with(&self.namespace));
            }
            assert!(left.is_empty(), "containers without a task: {left:?}");
        }
        // A power-off or a killed engine ends it; starting it again, or removing it, would be the product's doing.
        assert_eq!(foreign::seen(&self.machine).await, foreign);
    }

    /// What a person would look at first.
    async fn dump(&self) {
        eprintln!("{}", self.recorder.history());
        let violations = self.recorder.violations();
        eprintln!(
            "{} rules broken: {}",
            violations.len(),
            violations.join("\n")
        );
        for arguments in [
            &["get", "nodes,ecs", "-A", "-o", "wide"][..],
            &["get", "pods", "-A", "-o", "wide"],
            &[
                "get",
                "ecsservices",
                "-n",
                &self.namespace,
                "-o",
                "jsonpath={range .items[*]}{.metadata.name}{\": \"}{.status}{\"\\n\"}{end}",
            ],
            &["get", "events", "-A", "--sort-by=.lastTimestamp"],
        ] {
            let said = kubectl(&[arguments, &["--request-timeout=10s"]].concat()).await;
            let skipped = said.text.lines().count().saturating_sub(60);
            let lines: Vec<&str> = said.text.lines().skip(skipped).collect();
            eprintln!("{}\n", lines.join("\n"));
        }
        for log in self.machine.logs() {
            let path = log.to_string_lossy().into_owned();
            eprintln!("{}\n", run("tail", &["-n", "25", &path]).await.text);
        }
    }
}

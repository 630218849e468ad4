//! People's tools wait for the truth: `helm upgrade --wait` and `kubectl wait` return when the new tasks run, and not before.

use std::path::{Path, PathBuf};

use crate::harness::engine::{Listed, WORKLOAD};
use crate::harness::fixtures::Fixture;
use crate::harness::machine::{Said, helm, kubectl};
use crate::harness::{Scene, beside_others, service};

/// A chart that holds one task definition and one service.
struct Chart {
    folder: PathBuf,
}

impl Chart {
    fn new(scene: &Scene) -> Self {
        let folder = std::env::temp_dir().join(&scene.namespace);
        std::fs::create_dir_all(folder.join("templates")).unwrap();
        let about = "apiVersion: v2\nname: shop\nversion: 0.1.0\n";
        std::fs::write(folder.join("Chart.yaml"), about).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        &self.folder
    }

    /// `helm upgrade --install --wait`, after writing the objects into the chart. JSON is YAML.
    async fn release(&self, scene: &Scene, fixture: &Fixture, timeout: &str) -> Said {
        scene
            .recorder
            .bound(&scene.key(&fixture.name), fixture.bound());
        let objects = [
            (
                "definition.yaml",
                fixture.definition_object(&scene.namespace),
            ),
            ("service.yaml", fixture.service_object(&scene.namespace)),
        ];
        for (name, object) in objects {
            std::fs::write(self.path().join("templates").join(name), object.to_string()).unwrap();
        }
        let folder = self.path().to_string_lossy();
        let upgrade = [
            "upgrade",
            "--install",
            "shop",
            &folder,
            "--wait",
            "--timeout",
            timeout,
        ];
        helm(&[&upgrade[..], &["--namespace", &scene.namespace]].concat()).await
    }
}

impl Drop for Chart {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{}: {error}", self.folder.display());
        }
    }
}

/// Images of the running containers, at this very moment.
async fn images(scene: &Scene) -> Vec<String> {
    let mut containers = scene.containers("web").await.unwrap();
    containers.retain(Listed::is_running);
    let mut images: Vec<String> = containers
        .into_iter()
        .map(|container| container.image)
        .collect();
    images.sort();
    images
}

#[tokio::test]
async fn helm_waits_for_the_new_tasks_and_fails_with_a_bad_image() {
    beside_others("helm", async |scene| {
        for engine in scene.machine.engines() {
            engine.tag(WORKLOAD, "ecs-operator-workload", "next").await;
        }
        let chart = Chart::new(scene);
        let web = service("web").desired(3);
        chart.release(scene, &web, "2m").await.expect();
        assert_eq!(images(scene).await, [WORKLOAD; 3]);

        let next = web
            .clone()
            .with("image", "ecs-operator-workload:next".into());
        chart.release(scene, &next, "2m").await.expect();
        assert_eq!(images(scene).await, ["ecs-operator-workload:next"; 3]);

        // Two of three may go on while one is replaced, so that a bad image takes only one away.
        let careful = next.clone().percents(60, 100);
        let bad = careful.with("image", "10.90.0.1:5000/missing:1".into());
        let said = chart.release(scene, &bad, "1m").await.expect_failure();
        assert!(!said.contains("STATUS: deployed"), "{said}");
        assert_eq!(images(scene).await, ["ecs-operator-workload:next"; 2]);

        let back = [
            "rollback",
            "shop",
            "2",
            "--wait",
            "--timeout",
            "2m",
            "-n",
            &scene.namespace,
        ];
        helm(&back).await.expect();
        assert_eq!(images(scene).await, ["ecs-operator-workload:next"; 3]);
        let uninstall = [
            "uninstall",
            "shop",
            "--wait",
            "--timeout",
            "2m",
            "-n",
            &scene.namespace,
        ];
        helm(&uninstall).await.expect();
        scene.gone("web").await;
    })
    .await;
}

#[tokio::test]
async fn kubectl_waits_for_the_tasks_of_what_was_just_applied() {
    beside_others("wait", async |scene| {
        let ready = async |kind: &str, timeout: &str| {
            let timeout = format!("--timeout={timeout}");
            kubectl(&[
                "wait",
                "--for=condition=Ready",
                kind,
                "-n",
                &scene.namespace,
                &timeout,
            ])
            .await
        };
        let web = service("web").desired(3).version("1");
        scene.apply(&web).await;
        ready("ecsservice/web", "2m").await.expect();
        assert_eq!(images(scene).await.len(), 3);
        let old = scene.settled("web", 3).await;

        scene.apply(&web.clone().version("2")).await;
        ready("taskdefinition/web", "2m").await.expect();
        ready("ecsservice/web", "2m").await.expect();
        let new = scene
            .try_settled("web", 3)
            .await
            .expect("what was waited for is there");
        assert!(
            new.iter().all(|running| !old.contains(running)),
            "{old:?} {new:?}"
        );
        for running in &new {
            assert_eq!(scene.answer(running).await["version"], "2");
        }
        scene
            .apply(
                &service("bad")
                    .desired(1)
                    .with("image", "10.90.0.1:5000/missing:1".into()),
            )
            .await;
        ready("ecsservice/bad", "10s").await.expect_failure();
    })
    .await;
}

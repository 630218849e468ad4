//! The product's installation, once for all tests: by Helm, from the images that `hack/images` made.

use super::machine::{Said, helm, kubectl};

/// Name of the Helm release, and its namespace.
pub(crate) const RELEASE: &str = "ecs-operator";

/// Installs the chart, or changes the release to `values`.
pub(crate) async fn install(values: &[&str]) -> Said {
    let mut arguments = vec![
        "upgrade",
        "--install",
        RELEASE,
        "charts/ecs-operator",
        "--namespace",
        RELEASE,
        "--create-namespace",
        "--wait",
        "--timeout",
        "3m",
        "--values",
        "tests/cluster/values.yaml",
    ];
    for value in values {
        arguments.extend(["--set", value]);
    }
    helm(&arguments).await
}

/// Installs it where it is not.
pub(crate) async fn ensure() {
    let status = helm(&["status", RELEASE, "--namespace", RELEASE, "-o", "json"]).await;
    let deployed = status.success && status.text.contains("\"status\":\"deployed\"");
    if !deployed {
        install(&[]).await.expect();
    }
    // A release that is deployed may have lost its controller all the same, or a test its broker.
    let broker = ["deployment/ecs-operator-broker", "-n", RELEASE];
    let scale = [&["scale", "--replicas=2"][..], &broker].concat();
    kubectl(&scale).await.expect();
    for process in ["controller", "broker"] {
        let deployment = format!("deployment/ecs-operator-{process}");
        let rollout = ["rollout", "status", &deployment, "-n", RELEASE];
        let rollout = [&rollout[..], &["--timeout=180s"]].concat();
        kubectl(&rollout).await.expect();
    }
}

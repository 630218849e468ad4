//! Where the agent has the cluster's name resolution from.

use clap::Args;
use tracing::{info, warn};

use crate::agent::dns::{ClusterDns, RESOLVER};

/// How containers resolve the cluster's names.
#[derive(Debug, Clone, Args)]
pub(super) struct DnsArguments {
    /// Name servers of the cluster, for containers. Left out: those of the agent's own pod.
    #[arg(
        long,
        env = "CLUSTER_DNS",
        value_delimiter = ',',
        requires = "cluster_domain"
    )]
    cluster_dns: Vec<String>,
    /// Domain of the cluster, such as `cluster.local`, together with `cluster-dns`.
    #[arg(long, env = "CLUSTER_DOMAIN", requires = "cluster_dns")]
    cluster_domain: Option<String>,
}

impl DnsArguments {
    /// What the agent was told, or what its pod, which is in this namespace, has.
    pub(super) fn resolution(&self, pod_namespace: &str) -> Option<ClusterDns> {
        let told = self.cluster_domain.as_ref().map(|domain| ClusterDns {
            servers: self.cluster_dns.clone(),
            domain: domain.clone(),
        });
        let found = told.or_else(|| {
            let resolver = std::fs::read_to_string(RESOLVER).ok()?;
            ClusterDns::of_pod(&resolver, pod_namespace)
        });
        if let Some(ClusterDns { servers, domain }) = &found {
            info!(?servers, domain, "containers resolve the cluster's names");
        } else {
            warn!("containers do not resolve the cluster's names: this agent's own pod does not");
        }
        found
    }
}

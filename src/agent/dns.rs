//! How containers find the cluster's names: as the agent's own pod does, in the namespace of their task.
//!
//! Nobody has to tell the agent: the kubelet has written the cluster's name servers and its domain into the resolver
//! configuration of the agent's pod. An agent outside of a pod, or in one that resolves as its node does, finds none, and
//! its containers then resolve as their engine has it.

use std::net::Ipv4Addr;

/// Where a pod finds its resolver configuration.
pub const RESOLVER: &str = "/etc/resolv.conf";

/// The cluster's name resolution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterDns {
    /// Addresses of the name servers.
    pub servers: Vec<String>,
    /// Domain of the cluster, such as `cluster.local`.
    pub domain: String,
}

impl ClusterDns {
    /// Reads it out of the resolver configuration of a pod in `namespace`.
    ///
    /// Only a search list that begins with `<namespace>.svc.<domain>` is one of the cluster's. Name servers with IPv6
    /// addresses are left out: the engine's bridge has none.
    #[must_use]
    pub fn of_pod(resolver: &str, namespace: &str) -> Option<Self> {
        let words = |key: &str| {
            let lines = resolver.lines().map(str::split_whitespace);
            let found = lines.filter_map(|mut words| (words.next() == Some(key)).then_some(words));
            found.flatten().collect::<Vec<_>>()
        };
        let own = format!("{namespace}.svc.");
        let domains = words("search");
        let domain = domains.iter().find_map(|name| name.strip_prefix(&own))?;
        let mut servers = words("nameserver");
        servers.retain(|server| server.parse::<Ipv4Addr>().is_ok());
        (!servers.is_empty()).then(|| Self {
            servers: servers.into_iter().map(str::to_owned).collect(),
            domain: domain.trim_end_matches('.').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "search agents.svc.cluster.local svc.cluster.local cluster.local example.org\nnameserver 10.96.0.10\noptions ndots:5\n";

    #[test]
    fn a_pod_knows_the_clusters_name_servers_and_its_domain() {
        let found = ClusterDns::of_pod(POD, "agents").unwrap();
        assert_eq!(found.servers, ["10.96.0.10"]);
        assert_eq!(found.domain, "cluster.local");
    }

    #[test]
    fn a_pod_that_resolves_as_its_node_does_knows_nothing_of_the_cluster() {
        let node = "# made by somebody\nsearch example.org\nnameserver 192.0.2.53\n";
        assert_eq!(ClusterDns::of_pod(node, "agents"), None);
        assert_eq!(ClusterDns::of_pod(POD, "other"), None);
    }

    #[test]
    fn name_servers_that_a_bridge_cannot_reach_are_left_out() {
        let both = format!("nameserver fd00::a\n{POD}");
        assert_eq!(
            ClusterDns::of_pod(&both, "agents").unwrap().servers,
            ["10.96.0.10"]
        );
        let none = POD.replace("10.96.0.10", "fd00::a");
        assert_eq!(ClusterDns::of_pod(&none, "agents"), None);
    }
}

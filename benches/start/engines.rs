//! The Docker Engines of the local cluster, spoken to with the agent's own client.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ecs_operator::runtime::docker::Docker;
use ecs_operator::runtime::{ContainerSpec, Engine};
use futures::{StreamExt, TryStreamExt, stream};

use crate::IMAGE;

/// Label of containers that the bare loop made.
const LABEL: &str = "bench";

/// Creates and starts under way at once: twice the cores, which is where Docker gains no more from it.
const PARALLEL: usize = 4;

/// See the module.
pub(crate) struct Engines {
    sockets: Vec<String>,
    engines: Vec<Arc<Docker>>,
}

impl Engines {
    /// The engines of the cluster in this state folder.
    pub(crate) fn of(state: &str) -> Self {
        let sockets: Vec<String> = (1..=9)
            .map(|index| format!("{state}/node-{index}/run/docker.sock"))
            .filter(|socket| Path::new(socket).exists())
            .collect();
        let engines = sockets
            .iter()
            .map(|socket| Arc::new(Docker::at(socket)))
            .collect();
        Self { sockets, engines }
    }

    /// The first of them alone.
    pub(crate) fn first(&self) -> Self {
        Self {
            sockets: self.sockets.iter().take(1).cloned().collect(),
            engines: self.engines.iter().take(1).cloned().collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.engines.len()
    }

    /// Paths of the sockets.
    pub(crate) fn sockets(&self) -> &[String] {
        &self.sockets
    }

    /// Creates and starts `count` containers, spread over the engines.
    pub(crate) async fn start_all(&self, count: usize) -> anyhow::Result<()> {
        stream::iter(0..count)
            .map(|index| {
                let engine = self.engines.get(index % self.engines.len().max(1)).cloned();
                async move {
                    let Some(engine) = engine else {
                        anyhow::bail!("there is no engine")
                    };
                    let name = format!("bench-{index}");
                    let spec = ContainerSpec {
                        name: name.clone(),
                        image: IMAGE.to_owned(),
                        labels: BTreeMap::from([(LABEL.to_owned(), "yes".to_owned())]),
                        ..ContainerSpec::default()
                    };
                    engine.create(&spec).await?;
                    engine.start(&name).await?;
                    Ok(())
                }
            })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await
    }

    /// Removes what [`Self::start_all`] made.
    pub(crate) async fn remove_ours(&self) -> anyhow::Result<()> {
        let labels = BTreeMap::from([(LABEL.to_owned(), "yes".to_owned())]);
        for engine in &self.engines {
            for container in engine.list(&labels).await? {
                engine.kill(&container.name).await?;
                engine.remove(&container.name).await?;
            }
        }
        Ok(())
    }

    /// Kills the first container with this label, on whichever engine. Says whether there was one.
    pub(crate) async fn kill_one(&self, label: &str, value: &str) -> anyhow::Result<bool> {
        let labels = BTreeMap::from([(label.to_owned(), value.to_owned())]);
        for engine in &self.engines {
            let listed = engine.list(&labels).await?;
            if let Some(container) = listed
                .into_iter()
                .find(|container| container.state.is_live())
            {
                engine.kill(&container.name).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

//! On each engine a container that is none of the product's business, and must stay as it is.

use super::engine::Engine;
use super::machine::Machine;

const NAME: &str = "somebody-elses";

/// One of them: its engine, and when it was created and started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    node: String,
    born: Option<String>,
}

/// Makes those that are not there, or do not run.
pub(super) async fn place(machine: &Machine) {
    for engine in machine.engines() {
        let found = engine.inspect(NAME).await.unwrap();
        if found.as_ref().is_none_or(|found| !found.running) {
            if found.is_some() {
                engine.remove(NAME).await;
            }
            engine.run(NAME).await;
        }
    }
}

/// All of them as they are now.
pub(super) async fn seen(machine: &Machine) -> Vec<Foreign> {
    let mut seen = Vec::new();
    for engine in machine.engines() {
        seen.push(look(&engine).await);
    }
    seen
}

async fn look(engine: &Engine) -> Foreign {
    let found = engine.inspect(NAME).await.unwrap();
    Foreign {
        node: engine.node.clone(),
        born: found.map(|found| format!("{:?}", (found.created, found.started))),
    }
}

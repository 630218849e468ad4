//! Whoever looks at a cluster once, without a right to change it: the same look, plan and placement that the controllers
//! make, in a world of its own that is made from lists. What a pass would write is supposed there, and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, ResourceExt};

use super::cache::{Key, key_of};
use super::context::{Context, Settings};
use super::definition::to_register;
use super::instance::told;
use super::service::explain::ServiceAnswer;
use super::service::rehearse::{CannotBegin, Rehearsal};
use super::task::explain::TaskAnswer;
use super::world::{Lists, Queues, World};
use super::{service, task};
use crate::api::parse;
use crate::api::service::EcsService;
use crate::api::task_definition::{TaskDefinition, TaskDefinitionStatus};
use crate::domain::definition::rules::Problem;
use crate::domain::liveness::Presence;
use crate::platform::clock::Clock;

/// See the module.
pub struct Lookout {
    context: Context,
    presence: Arc<BTreeMap<String, Presence>>,
    now: Timestamp,
}

impl Lookout {
    /// Over what these lists say. The client is not asked for anything.
    pub fn over(lists: Lists, client: Client, clock: Clock) -> Self {
        let world = Arc::new(World::of(lists));
        let presence = Arc::new(told(&world));
        let reporter = Reporter {
            controller: "ecs-operator".into(),
            instance: None,
        };
        let recorder = Recorder::new(client.clone(), reporter);
        Self {
            context: Context::new(
                client,
                clock,
                Settings::default(),
                world,
                Queues::default(),
                recorder,
            ),
            presence,
            now: clock.now(),
        }
    }

    /// Why a service is as it is, and what its next pass does; `None` where there is none of that namespace and name.
    pub fn service(self, key: &Key) -> Option<ServiceAnswer> {
        let found = self.context.world.services.get(key)?;
        let answer = service::explain::explain(&self.context, &self.presence, &found, self.now);
        Some(answer)
    }

    /// Why a task is as it is; `None` where there is none of that namespace and name.
    pub fn task(self, key: &Key) -> Option<TaskAnswer> {
        let found = self.context.world.tasks.get(key)?;
        let answer = task::explain::explain(&self.context, &self.presence, &found, self.now);
        Some(answer)
    }

    /// As if this definition were applied and registered.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn register(&self, mut definition: TaskDefinition) -> Result<(), Vec<Problem>> {
        parse::task_definition(&definition.name_any(), &definition.spec)?;
        let world = &self.context.world;
        if let Some(mut revision) = to_register(world, &definition) {
            revision.metadata.uid = Some(format!("supposed-{:?}", key_of(&revision)));
            world.revisions.suppose(revision);
        }
        definition.metadata.generation = Some(1);
        definition.status = Some(TaskDefinitionStatus {
            observed_generation: 1,
            ..TaskDefinitionStatus::default()
        });
        world.definitions.suppose(definition);
        Ok(())
    }

    /// How it would go, were this service applied now. What it leaves is what the next one finds.
    ///
    /// # Errors
    /// Says why nothing would be done.
    pub fn rehearse(&self, manifest: EcsService) -> Result<Rehearsal, CannotBegin> {
        let applied = self.applied(manifest);
        self.context.world.services.suppose(applied.clone());
        service::rehearse::rehearse(&self.context, &self.presence, &applied, self.now)
    }

    /// The service that is there with the manifest's spec, or a new one. A count that the manifest leaves out stays.
    fn applied(&self, manifest: EcsService) -> EcsService {
        let Some(there) = self.context.world.services.get(&key_of(&manifest)) else {
            let mut new = manifest;
            new.metadata.uid = Some(format!("supposed-{}", new.name_any()));
            new.metadata.generation = Some(1);
            new.metadata.creation_timestamp = Some(Time(self.now));
            return new;
        };
        let mut applied = (*there).clone();
        applied.spec = manifest.spec;
        applied.spec.desired_count = applied.spec.desired_count.or(there.spec.desired_count);
        applied.metadata.generation = Some(there.metadata.generation.unwrap_or(0) + 1);
        applied
    }
}

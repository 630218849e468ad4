//! What the agent relies on in the volumes of every engine.

use super::{Broken, clear, ensure};
use crate::runtime::{ContainerSpec, Engine, Error, Labels, Mount, VolumeSpec};

/// Runs the part about volumes, and removes what it made.
pub(super) async fn suite(
    engine: &dyn Engine,
    spec: &ContainerSpec,
    labels: &Labels,
) -> Result<(), Broken> {
    let volume = VolumeSpec {
        name: "ecs-contract-volume".to_owned(),
        labels: labels.clone(),
        ..VolumeSpec::default()
    };
    let container = ContainerSpec {
        mounts: vec![Mount {
            source: volume.name.clone(),
            path: "/data".to_owned(),
            read_only: false,
        }],
        ..spec.clone()
    };
    let outcome = checks(engine, &container, &volume, labels).await;
    clear(engine, &container.name).await?;
    let call = |call| move |source| Broken::Call { call, source };
    let removed = engine.remove_volume(&volume.name).await;
    removed.map_err(call("remove volume"))?;
    outcome
}

async fn checks(
    engine: &dyn Engine,
    container: &ContainerSpec,
    volume: &VolumeSpec,
    labels: &Labels,
) -> Result<(), Broken> {
    let call = |call| move |source| Broken::Call { call, source };
    let name = volume.name.as_str();
    let seen = engine.volume(name).await.map_err(call("volume"))?;
    ensure(seen.is_none(), || {
        format!("a volume that nobody made is there: {seen:?}")
    })?;
    let removed = engine.remove_volume(name).await;
    removed.map_err(call("remove of no volume"))?;
    let made = engine.create_volume(volume).await;
    let made = made.map_err(call("create volume"))?;
    let other = VolumeSpec {
        labels: Labels::new(),
        ..volume.clone()
    };
    let again = engine.create_volume(&other).await;
    let again = again.map_err(call("create volume again"))?;
    ensure(made.labels == *labels && again == made, || {
        format!("a second create did not show whose volume it is: {again:?}")
    })?;
    let seen = engine.volume(name).await.map_err(call("volume"))?;
    ensure(seen.as_ref() == Some(&made), || format!("volume: {seen:?}"))?;
    let listed = engine.list_volumes(labels).await;
    let listed = listed.map_err(call("list volumes"))?;
    ensure(listed == [made], || format!("list of volumes: {listed:?}"))?;
    let foreign = Labels::from([("ecs-operator.io/contract".to_owned(), "other".to_owned())]);
    let foreign = engine.list_volumes(&foreign).await;
    let foreign = foreign.map_err(call("list volumes of others"))?;
    ensure(foreign.is_empty(), || {
        format!("a list of volumes ignores labels: {foreign:?}")
    })?;

    engine.create(container).await.map_err(call("create"))?;
    let refused = engine.remove_volume(name).await;
    ensure(matches!(refused, Err(Error::Conflict { .. })), || {
        format!("remove of a volume in use: {refused:?}")
    })?;
    let removed = engine.remove(&container.name).await;
    removed.map_err(call("remove"))?;
    let seen = engine.volume(name).await.map_err(call("volume"))?;
    ensure(seen.is_some(), || {
        "a volume with a name went with its container".to_owned()
    })
}

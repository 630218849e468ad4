//! What the agent relies on in every engine: one suite, run on the fake and on real Docker Engines.
//!
//! The image must run for ever and obey the stop signal.

pub mod streams;
mod volumes;

use std::time::Duration;

use futures::StreamExt;

use super::{
    Activity, ContainerSpec, ContainerState, ContainerView, Created, Engine, Error, Labels,
};

/// A promise that an engine did not keep.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A call failed that must not.
    #[error("{call}: {source}")]
    Call {
        /// Which call.
        call: &'static str,
        /// Its error.
        source: Error,
    },
    /// A call answered something else than it must.
    #[error("{0}")]
    Promise(String),
}

/// Runs the whole suite, and removes what it made.
pub async fn suite(engine: &dyn Engine, image: &str) -> Result<(), Broken> {
    let name = "ecs-contract-suite";
    let labels: Labels = [("ecs-operator.io/contract".to_owned(), "suite".to_owned())].into();
    let spec = ContainerSpec {
        name: name.to_owned(),
        image: image.to_owned(),
        labels: labels.clone(),
        memory: Some(16),
        ..ContainerSpec::default()
    };
    clear(engine, name).await?;
    let outcome = checks(engine, &spec, &labels).await;
    clear(engine, name).await?;
    outcome
}

async fn checks(engine: &dyn Engine, spec: &ContainerSpec, labels: &Labels) -> Result<(), Broken> {
    let name = spec.name.as_str();
    let call = |call| move |source| Broken::Call { call, source };
    engine.ping().await.map_err(call("ping"))?;
    let info = engine.info().await.map_err(call("info"))?;
    ensure(
        info.cpus > 0 && info.memory > 0 && !info.id.is_empty(),
        || format!("info is empty: {info:?}"),
    )?;
    let drivers = &info.volume_drivers;
    ensure(drivers.iter().any(|driver| driver == "local"), || {
        format!("an engine has volumes of its own: {drivers:?}")
    })?;
    let image = engine.image(&spec.image).await.map_err(call("image"))?;
    ensure(image.is_some(), || {
        format!("image {} is not there", spec.image)
    })?;
    let nothing = engine
        .image("ecs-operator.invalid/none:none")
        .await
        .map_err(call("image"))?;
    ensure(nothing.is_none(), || {
        format!("an image that nobody made is there: {nothing:?}")
    })?;
    absent(engine, name).await?;
    images(engine, &spec.image).await?;

    nowhere(engine, spec).await?;

    let events = engine.events(labels);
    let Created::New { id } = engine.create(spec).await.map_err(call("create"))? else {
        return Err(Broken::Promise("create: the name was taken".to_owned()));
    };
    for content in ["one", "another"] {
        let written = engine.write_file(name, "/made/for/it.conf", content);
        written.await.map_err(call("write_file"))?;
    }
    let again = engine.create(spec).await.map_err(call("create again"))?;
    let same = matches!(&again, Created::AlreadyExists(view) if view.id == id && view.labels.contains_key("ecs-operator.io/contract"));
    ensure(same, || {
        format!("a second create did not say who has the name: {again:?}")
    })?;
    let view = look(engine, name).await?;
    ensure(
        view.state == ContainerState::Created && view.started_at.is_none(),
        || format!("after create: {view:?}"),
    )?;

    engine.start(name).await.map_err(call("start"))?;
    engine.start(name).await.map_err(call("start again"))?;
    let view = look(engine, name).await?;
    ensure(
        view.state == ContainerState::Running && view.started_at.is_some(),
        || format!("after start: {view:?}"),
    )?;
    let listed = engine.list(labels).await.map_err(call("list"))?;
    let found = listed
        .iter()
        .filter(|line| line.name == name && line.id == id && line.state == view.state)
        .filter(|line| Some(&line.image_id) == view.image_id.as_ref())
        .count();
    ensure(found == 1 && listed.len() == 1, || {
        format!("list: {listed:?}")
    })?;
    let other = Labels::from([("ecs-operator.io/contract".to_owned(), "other".to_owned())]);
    let foreign = engine.list(&other).await.map_err(call("list of others"))?;
    ensure(foreign.is_empty(), || {
        format!("list ignores labels: {foreign:?}")
    })?;
    let refused = engine.remove(name).await;
    ensure(matches!(refused, Err(Error::Conflict { .. })), || {
        format!("remove while it runs: {refused:?}")
    })?;
    image_in_use(engine, &spec.image, &view).await?;

    engine
        .stop(name, Duration::from_secs(5))
        .await
        .map_err(call("stop"))?;
    engine
        .stop(name, Duration::from_secs(5))
        .await
        .map_err(call("stop again"))?;
    engine.kill(name).await.map_err(call("kill"))?;
    let view = look(engine, name).await?;
    let ended = view.state == ContainerState::Exited
        && view.exit_code.is_some()
        && view.finished_at.is_some();
    ensure(ended, || format!("after stop: {view:?}"))?;
    engine.remove(name).await.map_err(call("remove"))?;
    engine.remove(name).await.map_err(call("remove again"))?;
    absent(engine, name).await?;
    let refused = engine.start(name).await;
    ensure(matches!(refused, Err(Error::NotFound { .. })), || {
        format!("start of nothing: {refused:?}")
    })?;
    drop(events);
    volumes::suite(engine, spec, labels).await?;
    hints(engine, spec, labels).await
}

/// Nothing is made of an image, or written into a container, that is not there.
async fn nowhere(engine: &dyn Engine, spec: &ContainerSpec) -> Result<(), Broken> {
    let unknown = ContainerSpec {
        image: "ecs-operator.invalid/none:none".to_owned(),
        ..spec.clone()
    };
    let refused = engine.create(&unknown).await;
    ensure(matches!(refused, Err(Error::NotFound { .. })), || {
        format!("create without image: {refused:?}")
    })?;
    let refused = engine.write_file(&spec.name, "/a/b", "c").await;
    ensure(matches!(refused, Err(Error::NotFound { .. })), || {
        format!("a file in no container: {refused:?}")
    })
}

/// The image is listed, containers name it by the same id, and what is not there can be removed.
async fn images(engine: &dyn Engine, image: &str) -> Result<(), Broken> {
    let call = |call| move |source| Broken::Call { call, source };
    let found = engine.image(image).await.map_err(call("image"))?;
    let listed = engine.images().await.map_err(call("images"))?;
    let same = listed.iter().any(|line| {
        Some(&line.id) == found.as_ref().map(|found| &found.id)
            && line.tags.iter().any(|tag| tag == image)
    });
    ensure(same, || format!("{image} is not in {listed:?}"))?;
    engine
        .remove_image("ecs-operator.invalid/none:none")
        .await
        .map_err(call("remove_image of nothing"))
}

/// The last name of an image that a container uses stays.
async fn image_in_use(
    engine: &dyn Engine,
    image: &str,
    view: &ContainerView,
) -> Result<(), Broken> {
    let call = |call| move |source| Broken::Call { call, source };
    let listed = engine.images().await.map_err(call("images"))?;
    let mut listed = listed.iter();
    let names = listed.find(|line| Some(&line.id) == view.image_id.as_ref());
    // With a second name this would only take the first.
    if names.is_some_and(|line| line.tags.len() == 1) {
        let refused = engine.remove_image(image).await;
        ensure(matches!(refused, Err(Error::Conflict { .. })), || {
            format!("removal of the image of a container: {refused:?}")
        })?;
    }
    Ok(())
}

/// Events that arrive in time name the container.
async fn hints(engine: &dyn Engine, spec: &ContainerSpec, labels: &Labels) -> Result<(), Broken> {
    let call = |call| move |source| Broken::Call { call, source };
    let mut events = engine.events(labels);
    let act = async {
        // The subscription stands once it was polled; what comes before may be missed.
        tokio::time::sleep(Duration::from_millis(200)).await;
        engine.create(spec).await.map_err(call("create"))?;
        engine.start(&spec.name).await.map_err(call("start"))
    };
    let listen = async {
        while let Some(hint) = events.next().await {
            let hint = hint.map_err(call("events"))?;
            if hint.container == spec.name && hint.activity == Activity::Started {
                return Ok(());
            }
        }
        Err(Broken::Promise("events ended".to_owned()))
    };
    let both = futures::future::try_join(act, listen);
    match tokio::time::timeout(Duration::from_secs(30), both).await {
        Ok(outcome) => outcome.map(drop),
        Err(_) => Err(Broken::Promise(
            "no event of a start within 30 s".to_owned(),
        )),
    }
}

pub(super) async fn clear(engine: &dyn Engine, name: &str) -> Result<(), Broken> {
    match engine.kill(name).await {
        Ok(()) | Err(Error::NotFound { .. }) => {}
        Err(source) => {
            return Err(Broken::Call {
                call: "kill",
                source,
            });
        }
    }
    // The kill is on its way: removing conflicts until the container has ended.
    for _ in 0..50 {
        match engine.remove(name).await {
            Ok(()) => return Ok(()),
            Err(Error::Conflict { .. }) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(source) => {
                return Err(Broken::Call {
                    call: "remove",
                    source,
                });
            }
        }
    }
    Err(Broken::Promise(format!("{name} cannot be removed")))
}

async fn look(engine: &dyn Engine, name: &str) -> Result<ContainerView, Broken> {
    engine.inspect(name).await.map_err(|source| Broken::Call {
        call: "inspect",
        source,
    })
}

async fn absent(engine: &dyn Engine, name: &str) -> Result<(), Broken> {
    let seen = engine.inspect(name).await;
    ensure(matches!(seen, Err(Error::NotFound { .. })), || {
        format!("inspect of nothing: {seen:?}")
    })
}

pub(super) fn ensure(kept: bool, otherwise: impl FnOnce() -> String) -> Result<(), Broken> {
    if kept {
        Ok(())
    } else {
        Err(Broken::Promise(otherwise()))
    }
}

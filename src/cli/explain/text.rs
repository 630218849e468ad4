//! Answers as people read them.

use std::fmt::{self, Write as _};

use crate::controllers::ended::Ended;
use crate::controllers::service::explain::{PassAnswer, ServiceAnswer};
use crate::controllers::task::explain::{PlacedNow, TaskAnswer};
use crate::domain::placement::Summary;
use crate::domain::task::StopCode;

/// Why a service is as it is.
pub(super) fn of_service(answer: &ServiceAnswer) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "service {}/{} in cluster {}",
        answer.namespace, answer.service, answer.cluster
    )?;
    writeln!(text, "{}: {}", answer.reason, answer.message)?;
    if let Some(pass) = &answer.pass {
        numbers(&mut text, pass)?;
        deployments(&mut text, pass)?;
        next_pass(&mut text, pass)?;
        for unplaced in &pass.unplaced {
            let tasks = match unplaced.tasks {
                1 => "1 task".to_owned(),
                more => format!("{more} tasks"),
            };
            writeln!(text, "no instance for {tasks}, first {}", unplaced.task)?;
            summary(&mut text, &unplaced.why)?;
        }
        section(&mut text, "protected", &pass.protected, |task| {
            format!("{} until {}", task.task, task.until)
        })?;
        section(&mut text, "draining", &pass.draining, |task| {
            format!("{} on {}", task.task, task.instance)
        })?;
    }
    if !answer.stopped.is_empty() {
        writeln!(text, "stopped lately")?;
    }
    for ended in &answer.stopped {
        end(&mut text, ended)?;
    }
    Ok(text.trim_end().to_owned())
}

fn numbers(text: &mut String, pass: &PassAnswer) -> fmt::Result {
    let (bounds, breaker) = (&pass.bounds, &pass.breaker);
    writeln!(
        text,
        "tasks      {} of {} run, {} are starting, {} count as healthy",
        pass.running, pass.desired, pass.pending, pass.healthy
    )?;
    writeln!(
        text,
        "bounds     {}/{} percent: keeps {} healthy, allows {}",
        bounds.minimum_healthy_percent, bounds.maximum_percent, bounds.keeps, bounds.allows
    )?;
    if let Some(cannot_move) = &bounds.cannot_move {
        writeln!(text, "           {cannot_move}")?;
    }
    writeln!(
        text,
        "breaker    {} of {} failed tasks; {}",
        breaker.failed_tasks, breaker.threshold, breaker.message
    )?;
    if let Some(until) = pass.throttled_until {
        writeln!(text, "throttle   nothing is started before {until}")?;
    }
    Ok(())
}

fn deployments(text: &mut String, pass: &PassAnswer) -> fmt::Result {
    writeln!(text, "deployments")?;
    for deployment in &pass.deployments {
        writeln!(
            text,
            "  {} {} {} {}: {} of {} run, {} are starting, {} failed",
            deployment.id,
            deployment.status.as_str(),
            deployment.rollout_state.as_str(),
            deployment.task_definition,
            deployment.running_count,
            deployment.desired_count,
            deployment.pending_count,
            deployment.failed_tasks
        )?;
        if let Some(waiting) = &deployment.waiting_for {
            writeln!(text, "    waits for {waiting}")?;
        }
    }
    Ok(())
}

fn next_pass(text: &mut String, pass: &PassAnswer) -> fmt::Result {
    writeln!(text, "next pass")?;
    for stop in &pass.stops {
        writeln!(
            text,
            "  stops {} on {}: {} ({})",
            stop.task, stop.instance, stop.cause, stop.reason
        )?;
    }
    for start in &pass.starts {
        writeln!(
            text,
            "  starts {} ({}) on {}",
            start.task, start.task_definition, start.instance
        )?;
    }
    if pass.stops.is_empty() && pass.starts.is_empty() {
        writeln!(text, "  stops and starts nothing")?;
    }
    writeln!(
        text,
        "  looks again at the next change, or at {}",
        pass.looks_again_at
    )
}

fn summary(text: &mut String, why: &Summary) -> fmt::Result {
    writeln!(text, "  {}", why.message)?;
    let width = why.instances.keys().map(String::len).max().unwrap_or(0);
    for (name, reason) in &why.instances {
        let closest = if why.closest.as_ref() == Some(name) {
            "  closest"
        } else {
            ""
        };
        writeln!(text, "  {name:width$}  {reason}{closest}")?;
    }
    if why.not_named > 0 {
        writeln!(text, "  and {} more instances", why.not_named)?;
    }
    Ok(())
}

fn section<T>(
    text: &mut String,
    title: &str,
    items: &[T],
    told: impl Fn(&T) -> String,
) -> fmt::Result {
    if !items.is_empty() {
        writeln!(text, "{title}")?;
    }
    for item in items {
        writeln!(text, "  {}", told(item))?;
    }
    Ok(())
}

fn end(text: &mut String, ended: &Ended) -> fmt::Result {
    write!(text, "  {} ({})", ended.task, ended.task_definition)?;
    if let Some(instance) = &ended.instance {
        write!(text, " on {instance}")?;
    }
    if let Some(at) = ended.stopped_at {
        write!(text, " at {at}")?;
    }
    writeln!(text, ", decided by {}", ended.decided_by)?;
    let code = ended.stop_code.map(StopCode::from);
    let code = code.map_or("no stop code", StopCode::as_str);
    let reason = ended.reason.as_deref().unwrap_or("no reason was given");
    let reason = reason.trim_start_matches(code).trim_start_matches(": ");
    writeln!(text, "    {code}: {reason}")?;
    for container in &ended.containers {
        let code = container.exit_code.map(|code| format!("exit code {code}"));
        let said: Vec<String> = code.into_iter().chain(container.reason.clone()).collect();
        writeln!(
            text,
            "    container {}: {}",
            container.name,
            said.join(", ")
        )?;
    }
    Ok(())
}

/// Why a task is as it is.
pub(super) fn of_task(answer: &TaskAnswer) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "task {}/{}, {}: {}",
        answer.namespace, answer.task, answer.task_definition, answer.last_status
    )?;
    if let Some(service) = &answer.service {
        writeln!(text, "service    {service}")?;
    }
    if let Some(instance) = &answer.instance {
        let draining = if answer.draining {
            ", which drains"
        } else {
            ""
        };
        writeln!(text, "instance   {instance}{draining}")?;
    }
    if let Some(until) = answer.protected_until {
        writeln!(text, "protected  until {until}")?;
    }
    if let Some(ended) = &answer.ended {
        writeln!(text, "stopped")?;
        end(&mut text, ended)?;
    }
    match &answer.placed_now {
        None => {}
        Some(PlacedNow::Instance(instance)) => {
            writeln!(text, "placed now it would run on {instance}")?;
        }
        Some(PlacedNow::Refused(why)) => writeln!(text, "placed now it would be refused: {why}")?,
        Some(PlacedNow::Waits) => writeln!(text, "waits for its definition to be registered")?,
        Some(PlacedNow::Unplaced(why)) => {
            writeln!(text, "placed now it would find no instance")?;
            summary(&mut text, why)?;
        }
    }
    Ok(text.trim_end().to_owned())
}

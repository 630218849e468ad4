//! The figures of a container in ECS's shape: Docker's own, and what goes over its network in a second
//! (ECS Developer Guide, "Task metadata endpoint version 4", `${ECS_CONTAINER_METADATA_URI_V4}/stats`).

use std::time::Duration;

use futures::TryStreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::{self, Request, encode};
use super::{Docker, within};
use crate::runtime::Error;

/// The engine looks once a second; a busy one takes longer.
const LOOKS: Duration = Duration::from_secs(10);

/// Two looks, one after the other.
type Looks = (Value, Value);

impl Docker {
    /// The figures of a container that runs. `network` is the one whose network it shares.
    pub(super) async fn figures(
        &self,
        container: &str,
        network: Option<&str>,
    ) -> Result<Value, Error> {
        match network {
            None => Ok(figures(self.looks(container).await?, None)),
            Some(other) => {
                let looks = tokio::try_join!(self.looks(container), self.looks(other));
                let (own, of_network) = looks?;
                Ok(figures(own, Some(of_network)))
            }
        }
    }

    /// Of the second look `precpu_stats` is filled, of which readers make a percentage.
    async fn looks(&self, container: &str) -> Result<Looks, Error> {
        let path = format!("/containers/{}/stats?stream=true", encode(container));
        let request = Request::get(self.path(&path));
        within(LOOKS, async {
            let reply = http::send(&self.socket, request).await?;
            let mut looks = Box::pin(http::lines(reply));
            match (looks.try_next().await?, looks.try_next().await?) {
                (Some(first), Some(second)) => Ok((first, second)),
                _ => Err(Error::Conflict {
                    message: format!("container {container} ended"),
                }),
            }
        })
        .await
    }
}

fn figures((before, mut after): Looks, of_network: Option<Looks>) -> Value {
    let of_network = of_network.unwrap_or_else(|| (before, after.clone()));
    let rates = rates(&of_network.0, &of_network.1);
    if let Some(shown) = after.as_object_mut() {
        if let Some(networks) = of_network.1.get("networks") {
            shown.insert("networks".to_owned(), networks.clone());
        }
        if let Some(rates) = rates {
            shown.insert("network_rate_stats".to_owned(), rates);
        }
    }
    after
}

/// Bytes a second between two looks; nothing for a container without a network of its own.
fn rates(before: &Value, after: &Value) -> Option<Value> {
    let took = time(after)?.duration_since(time(before)?).as_secs_f64();
    let rate = |field: &str| {
        let more = total(after, field)?.saturating_sub(total(before, field)?);
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no 16th digit")]
        let more = more as f64;
        Some(more / took)
    };
    let (received, sent) = (rate("rx_bytes")?, rate("tx_bytes")?);
    (took > 0.0).then(|| json!({"rx_bytes_per_sec": received, "tx_bytes_per_sec": sent}))
}

fn time(look: &Value) -> Option<Timestamp> {
    look.get("read")?.as_str()?.parse().ok()
}

/// Over all its networks.
fn total(look: &Value, field: &str) -> Option<u64> {
    let networks = look.get("networks")?.as_object()?;
    let each = networks
        .values()
        .map(|network| network.get(field)?.as_u64());
    each.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(second: &str, received: u64, sent: u64) -> Value {
        let half = |bytes: u64| (bytes / 2, bytes - bytes / 2);
        let ((r0, r1), (s0, s1)) = (half(received), half(sent));
        json!({
            "read": format!("2026-01-01T00:00:{second}Z"), "memory_stats": {"usage": 7},
            "networks": {
                "eth0": {"rx_bytes": r0, "tx_bytes": s0},
                "eth1": {"rx_bytes": r1, "tx_bytes": s1},
            },
        })
    }

    #[test]
    fn rates_are_bytes_a_second_over_all_networks() {
        let shown = figures((look("01.0", 100, 10), look("03.0", 301, 10)), None);
        let rates = json!({"rx_bytes_per_sec": 100.5, "tx_bytes_per_sec": 0.0});
        assert_eq!(shown["network_rate_stats"], rates);
        assert_eq!(shown["memory_stats"]["usage"], 7);
    }

    #[test]
    fn a_container_in_the_network_of_another_shows_the_figures_of_that_network() {
        let own = |second: &str| json!({"read": format!("2026-01-01T00:00:{second}Z"), "pids_stats": {"current": 3}});
        let of_network = (look("01.0", 0, 0), look("02.0", 40, 8));
        let shown = figures((own("01.2"), own("02.2")), Some(of_network));
        assert_eq!(shown["networks"]["eth0"]["rx_bytes"], 20);
        assert_eq!(shown["network_rate_stats"]["rx_bytes_per_sec"], 40.0);
        assert_eq!(shown["pids_stats"]["current"], 3);
    }

    #[test]
    fn without_a_network_and_without_time_between_there_are_no_rates() {
        let alone = json!({"read": "2026-01-01T00:00:01Z"});
        let later = json!({"read": "2026-01-01T00:00:02Z"});
        assert!(
            figures((alone, later), None)
                .get("network_rate_stats")
                .is_none()
        );
        let same = (look("01.0", 0, 0), look("01.0", 9, 9));
        assert!(figures(same, None).get("network_rate_stats").is_none());
    }
}

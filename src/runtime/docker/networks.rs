//! Docker's networks.

use std::time::Duration;

use serde_json::json;

use super::Docker;
use super::http::Request;
use crate::runtime::{Error, NetworkSpec};

const CREATE: Duration = Duration::from_mins(1);

impl Docker {
    pub(super) async fn make_network(&self, spec: &NetworkSpec) -> Result<(), Error> {
        let body = json!({
            "Name": spec.name,
            "CheckDuplicate": true,
            "Driver": "bridge",
            "IPAM": {"Config": [{"Subnet": spec.subnet, "Gateway": spec.gateway}]},
            "Labels": spec.labels,
        });
        let request = Request::post(self.path("/networks/create"), Some(body));
        match self.done(request, CREATE).await {
            Err(Error::Conflict { .. }) => Ok(()),
            other => other,
        }
    }
}

//! Target groups: Elastic Load Balancing's defaults, filled in once.

use std::time::Duration;

use crate::api::bounded::Str;
use crate::api::target_group::{
    HealthCheck, HealthCheckProtocol, Matcher, TargetGroupProtocol, TargetGroupSpec,
};
use crate::domain::traffic::DEREGISTRATION_DELAY;
use crate::domain::traffic::check::{Check, Codes, Group, Question};

const TRAFFIC_PORT: &str = "traffic-port";

/// What a target group says of its targets. A matcher that makes no sense matches nothing.
#[must_use]
pub fn target_group(spec: &TargetGroupSpec) -> Group {
    let delay = spec.deregistration_delay_seconds;
    Group {
        check: check(spec),
        deregistration_delay: seconds(delay, DEREGISTRATION_DELAY),
    }
}

fn check(spec: &TargetGroupSpec) -> Option<Check> {
    let told = spec.health_check.as_ref();
    if told.is_none() && spec.protocol == TargetGroupProtocol::Udp {
        return None;
    }
    let default = HealthCheck::default();
    let check = told.unwrap_or(&default);
    let port = check.port.as_deref().map(String::as_str);
    (check.enabled != Some(false)).then(|| Check {
        question: question(spec.protocol, check),
        port: port
            .filter(|port| *port != TRAFFIC_PORT)
            .and_then(|port| port.parse().ok()),
        interval: seconds(check.interval_seconds, 30),
        timeout: seconds(check.timeout_seconds, 5),
        healthy_threshold: count(check.healthy_threshold_count, 5),
        unhealthy_threshold: count(check.unhealthy_threshold_count, 2),
    })
}

fn question(protocol: TargetGroupProtocol, check: &HealthCheck) -> Question {
    let default = match protocol {
        TargetGroupProtocol::Http | TargetGroupProtocol::Grpc => HealthCheckProtocol::Http,
        TargetGroupProtocol::Https => HealthCheckProtocol::Https,
        TargetGroupProtocol::Tcp | TargetGroupProtocol::Udp => HealthCheckProtocol::Tcp,
    };
    let path = |default: &str| {
        let path = check.path.as_deref();
        path.map_or(default, String::as_str).to_owned()
    };
    let codes = |of: fn(&Matcher) -> Option<&Str<64>>, default: &str| {
        let codes = check.matcher.as_ref().and_then(of);
        Codes::read(codes.map_or(default, Str::as_str)).unwrap_or_default()
    };
    match check.protocol.unwrap_or(default) {
        HealthCheckProtocol::Tcp => Question::Connect,
        HealthCheckProtocol::Http if protocol == TargetGroupProtocol::Grpc => Question::Call {
            path: path("/AWS.ALB/healthcheck"),
            codes: codes(|matcher| matcher.grpc_code.as_ref(), "12"),
        },
        asked @ (HealthCheckProtocol::Http | HealthCheckProtocol::Https) => Question::Get {
            tls: asked == HealthCheckProtocol::Https,
            path: path("/"),
            codes: codes(|matcher| matcher.http_code.as_ref(), "200"),
        },
    }
}

fn seconds(told: Option<i32>, default: i32) -> Duration {
    let seconds = u64::try_from(told.unwrap_or(default)).unwrap_or(0);
    Duration::from_secs(seconds)
}

fn count(told: Option<i32>, default: i32) -> u32 {
    u32::try_from(told.unwrap_or(default)).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn group(spec: Value) -> Group {
        target_group(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn a_group_without_settings_has_those_of_elastic_load_balancing() {
        let group = group(json!({"protocol": "HTTP", "port": 80}));
        assert_eq!(group.deregistration_delay, Duration::from_mins(5));
        let check = group.check.unwrap();
        let Question::Get { tls, path, codes } = &check.question else {
            panic!("{:?}", check.question)
        };
        assert_eq!((*tls, path.as_str()), (false, "/"));
        assert!(codes.has(200) && !codes.has(204));
        assert_eq!((check.interval.as_secs(), check.timeout.as_secs()), (30, 5));
        assert_eq!((check.healthy_threshold, check.unhealthy_threshold), (5, 2));
        assert_eq!(check.port, None);
    }

    #[test]
    fn the_protocol_says_what_is_asked_unless_the_check_does() {
        let asks = |spec: Value| group(spec).check.map(|check| check.question);
        assert_eq!(
            asks(json!({"protocol": "TCP", "port": 80})),
            Some(Question::Connect)
        );
        assert_eq!(asks(json!({"protocol": "UDP", "port": 53})), None);
        let udp = json!({"protocol": "UDP", "port": 53, "healthCheck": {"protocol": "TCP", "port": "8080"}});
        assert_eq!(group(udp.clone()).check.unwrap().port, Some(8080));
        assert_eq!(asks(udp), Some(Question::Connect));
        let call = asks(
            json!({"protocol": "GRPC", "port": 80, "healthCheck": {"matcher": {"grpcCode": "0,12"}}}),
        );
        assert_eq!(
            call,
            Some(Question::Call {
                path: "/AWS.ALB/healthcheck".into(),
                codes: Codes::read("0,12").unwrap()
            })
        );
        let tls = asks(
            json!({"protocol": "TCP", "port": 80, "healthCheck": {"protocol": "HTTPS", "path": "/up"}}),
        );
        assert!(matches!(tls, Some(Question::Get { tls: true, path, .. }) if path == "/up"));
        assert_eq!(
            asks(json!({"protocol": "HTTP", "port": 80, "healthCheck": {"enabled": false}})),
            None
        );
    }
}

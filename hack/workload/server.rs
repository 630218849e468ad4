//! The HTTP server and the faults that its paths switch on. After SIGTERM the listener closes at once and requests in flight
//! are finished, so that a client who still gets a refused connection proves a traffic rule broken.

use std::future::pending;
use std::io::Error;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use futures::FutureExt;
use serde_json::json;
use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tracing::{error, info};

use crate::ask;
use crate::options::Options;

/// Where the hunger ends when no memory limit acts: the machine that runs the tests must live on.
const MOST_MEMORY_MEBIBYTES: usize = 1024;
const MEBIBYTE: usize = 1024 * 1024;

pub(crate) struct Workload {
    hostname: String,
    version: String,
    response_delay: Duration,
    healthy: AtomicBool,
    requests: AtomicU64,
}

/// Serves until SIGTERM, then until the last request in flight has its answer.
pub(crate) async fn run(options: Options) -> Result<(), Error> {
    // The handler comes first: PID 1 has no default action, and a stop during the start delay must count.
    let stop = stop_signal(options.ignore_sigterm)?;
    if let Some(delay) = options.exit_after {
        exit_later(delay, options.exit_code);
    }
    if options.exhaust_memory {
        exhaust_memory();
    }
    let mut stop = Box::pin(stop);
    tokio::select! {
        () = sleep(options.start_delay) => {}
        () = &mut stop => return Ok(()),
    }
    if let Some(port) = options.udp_port {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        tokio::spawn(answer_datagrams(socket, options.version.clone()));
    }
    let stop = async move {
        stop.await;
        info!("stopping: the listener closes, requests in flight are finished");
    };
    let stop = stop.shared();
    let router = router(Workload::new(&options));
    let serve = async |port: u16| {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        info!(port, version = options.version, "listening");
        let serving = axum::serve(listener, router.clone());
        serving.with_graceful_shutdown(stop.clone()).await
    };
    let second = async {
        match options.second_port {
            Some(port) => serve(port).await,
            None => Ok(()),
        }
    };
    tokio::try_join!(serve(options.port), second)?;
    info!("stopped");
    Ok(())
}

/// Answers until the program ends.
async fn answer_datagrams(socket: UdpSocket, version: String) {
    let mut datagram = [0; 1500];
    loop {
        let answered = async {
            let (_, from) = socket.recv_from(&mut datagram).await?;
            socket.send_to(version.as_bytes(), from).await
        };
        if let Err(error) = answered.await {
            error!(%error, "a datagram has no answer");
        }
    }
}

/// The paths; also what the tests call.
pub(crate) fn router(workload: Workload) -> Router {
    Router::new()
        .route("/", any(greet))
        .route("/slow", any(slow))
        .route("/healthz", get(healthz))
        .route(
            "/control/healthy",
            any(|state| async { switch_health(state, true) }),
        )
        .route(
            "/control/unhealthy",
            any(|state| async { switch_health(state, false) }),
        )
        .route("/control/exit", any(exit))
        .route("/control/metadata", any(ask::metadata))
        .route("/control/protect", any(ask::protect))
        .route("/control/credentials", any(ask::credentials))
        .route("/control/fetch", any(ask::fetch))
        .route(
            "/control/exhaust-memory",
            any(|| async { exhaust_memory() }),
        )
        .with_state(Arc::new(workload))
}

impl Workload {
    pub(crate) fn new(options: &Options) -> Self {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            hostname: hostname.trim().to_owned(),
            version: options.version.clone(),
            response_delay: options.response_delay,
            healthy: AtomicBool::new(!options.start_unhealthy),
            requests: AtomicU64::new(0),
        }
    }

    fn greeting(&self) -> impl IntoResponse + use<> {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let body = json!({
            "hostname": self.hostname,
            "version": self.version,
            "requests": requests,
        });
        ([(CONTENT_TYPE, "application/json")], format!("{body}\n"))
    }
}

async fn greet(State(workload): State<Arc<Workload>>) -> impl IntoResponse {
    if !workload.response_delay.is_zero() {
        sleep(workload.response_delay).await;
    }
    workload.greeting()
}

async fn slow(
    State(workload): State<Arc<Workload>>,
    RawQuery(query): RawQuery,
) -> impl IntoResponse {
    let milliseconds = parameter(query.as_deref(), "milliseconds").unwrap_or(0);
    sleep(Duration::from_millis(milliseconds)).await;
    workload.greeting()
}

async fn healthz(State(workload): State<Arc<Workload>>) -> (StatusCode, &'static str) {
    if workload.healthy.load(Ordering::Relaxed) {
        (StatusCode::OK, "healthy\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unhealthy\n")
    }
}

fn switch_health(State(workload): State<Arc<Workload>>, healthy: bool) -> &'static str {
    info!(healthy, "health switched");
    workload.healthy.store(healthy, Ordering::Relaxed);
    "ok\n"
}

async fn exit(RawQuery(query): RawQuery) -> &'static str {
    let code = parameter(query.as_deref(), "code").unwrap_or(0);
    // Late enough for the answer to leave.
    exit_later(Duration::from_millis(50), code);
    "exiting\n"
}

/// The number behind `name=` in `code=3&name=4`.
fn parameter<N: FromStr>(query: Option<&str>, name: &str) -> Option<N> {
    let (_, value) = query?
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)?;
    value.parse().ok()
}

fn exit_later(delay: Duration, code: i32) {
    tokio::spawn(async move {
        sleep(delay).await;
        info!(code, "exiting by itself");
        std::process::exit(code);
    });
}

/// Holds ever more memory until the kernel ends the program, on a thread of its own so that it goes on answering meanwhile.
fn exhaust_memory() {
    info!("using up memory");
    std::thread::spawn(|| {
        let mut held = Vec::new();
        while held.len() < MOST_MEMORY_MEBIBYTES {
            held.push(vec![1_u8; MEBIBYTE]);
        }
        error!(mebibytes = held.len(), "no memory limit has acted");
        std::process::exit(1);
    });
}

fn stop_signal(ignore: bool) -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        if ignore {
            return pending().await;
        }
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

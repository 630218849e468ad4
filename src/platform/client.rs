//! A Kubernetes client whose calls always end, and whose writes need a permit.
//!
//! # Guarantees
//! Every call but a watch ends within its deadline. With a [`Permit`] no write leaves this process unless its
//! leadership is valid for longer than the write can take, so that two leaders never write at the same time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::{BoxError, Layer, Service};

/// A write that has no answer by then may or may not have happened.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(4);

/// A list of everything may take long on a large cluster.
const READ_DEADLINE: Duration = Duration::from_mins(1);

/// Says whether this process may write for the given time from now on.
pub type Permit = Arc<dyn Fn(Duration) -> bool + Send + Sync>;

/// A client with deadlines, and with `permit` asked before each write.
///
/// # Errors
/// When the configuration names unusable certificates.
pub fn guarded(config: Config, permit: Option<Permit>) -> Result<Client, kube::Error> {
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&Guard { permit })
        .build())
}

/// Why a call was given up.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// This process is not the leader, or not for long enough.
    #[error("not sent: this process does not lead for long enough to write")]
    NotLeading,
    /// No answer in time; the call may have been carried out.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
}

#[derive(Clone)]
struct Guard {
    permit: Option<Permit>,
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            permit: self.permit.clone(),
        }
    }
}

struct Guarded<S> {
    inner: S,
    permit: Option<Permit>,
}

impl<S, B> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
        let is_watch = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        let deadline = if is_write {
            WRITE_DEADLINE
        } else {
            READ_DEADLINE
        };
        if is_write
            && self
                .permit
                .as_ref()
                .is_some_and(|permit| !permit(WRITE_DEADLINE))
        {
            return Box::pin(async { Err(Refused::NotLeading.into()) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            if is_watch {
                return answer.await.map_err(Into::into);
            }
            match tokio::time::timeout(deadline, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(Refused::Deadline(deadline).into()),
            }
        })
    }
}

//! Makes one health check of a target: asks at the address and port to which requests go, and judges the answer.

mod certificates;
#[cfg(test)]
mod tests;

use std::future::pending;
use std::net::IpAddr;

use bytes::Bytes;
use http::{Method, Request, Response, Version, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::task::CheckOrder;
use crate::domain::traffic::check::{Codes, Failure, Question};

/// As Elastic Load Balancing's checks call themselves, because applications look for it.
const USER_AGENT: &str = "ELB-HealthChecker/2.0";
/// A gRPC message of no bytes: not compressed, length 0.
const NO_MESSAGE: [u8; 5] = [0; 5];

/// Asks, and waits for as long as the check says.
///
/// # Errors
/// Why the check failed.
pub(super) async fn ask(order: &CheckOrder) -> Result<(), Failure> {
    let asked = timeout(order.check.timeout, exchange(order));
    asked.await.unwrap_or(Err(Failure::Timeout))
}

async fn exchange(order: &CheckOrder) -> Result<(), Failure> {
    let address: IpAddr = order.address.parse().map_err(no_answer)?;
    let stream = TcpStream::connect((address, order.port))
        .await
        .map_err(no_answer)?;
    let host = format!("{}:{}", order.address, order.port);
    match &order.check.question {
        Question::Connect => Ok(()),
        Question::Get {
            tls: false,
            path,
            codes,
        } => get(stream, &host, path, codes).await,
        Question::Get {
            tls: true,
            path,
            codes,
        } => {
            let config = certificates::any().map_err(no_answer)?;
            let connector = TlsConnector::from(config);
            let stream = connector.connect(ServerName::from(address), stream).await;
            get(stream.map_err(no_answer)?, &host, path, codes).await
        }
        Question::Call { path, codes } => call(stream, &host, path, codes).await,
    }
}

async fn get<S>(stream: S, host: &str, path: &str, codes: &Codes) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = Request::builder()
        .uri(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(no_answer)?;
    let connection = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connection.map_err(no_answer)?;
    let answer = beside(connection, sender.send_request(request)).await;
    judge(answer.map_err(no_answer)?.status().as_u16(), codes)
}

/// gRPC tells its status after the answer, or in its head where there is none.
async fn call(stream: TcpStream, host: &str, path: &str, codes: &Codes) -> Result<(), Failure> {
    let request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(format!("http://{host}{path}"))
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(Bytes::from_static(&NO_MESSAGE)))
        .map_err(no_answer)?;
    // What is spawned ends with the connection, which is dropped here.
    let connection = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = connection.map_err(no_answer)?;
    let asked = async {
        let answer: Response<Incoming> = sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let told = body.collect().await?;
        let trailers = told.trailers().and_then(|all| all.get("grpc-status"));
        let status = trailers.or_else(|| head.headers.get("grpc-status"));
        let code = status.and_then(|code| code.to_str().ok()?.parse::<u16>().ok());
        Ok::<_, hyper::Error>((head.status, code))
    };
    match beside(connection, asked).await.map_err(no_answer)? {
        (_, Some(code)) => judge(code, codes),
        // Nobody who speaks gRPC.
        (status, None) => Err(Failure::Code(status.as_u16())),
    }
}

/// Lets the connection live for as long as the exchange over it takes.
async fn beside<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    exchange: impl Future<Output = hyper::Result<T>>,
) -> hyper::Result<T> {
    let driven = async {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection of a check broke off");
        }
        // The exchange itself says what that means for it.
        pending::<()>().await;
    };
    tokio::select! {
        biased;
        answer = exchange => answer,
        () = driven => pending().await,
    }
}

fn judge(code: u16, codes: &Codes) -> Result<(), Failure> {
    if codes.has(code) {
        Ok(())
    } else {
        Err(Failure::Code(code))
    }
}

fn no_answer(error: impl std::error::Error) -> Failure {
    tracing::debug!(%error, "a target did not answer");
    Failure::NoAnswer
}

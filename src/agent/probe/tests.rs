use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::domain::traffic::check::Check;

fn order(address: SocketAddr, question: Question) -> CheckOrder {
    CheckOrder {
        target: 0,
        check: Check {
            question,
            port: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
        },
        address: address.ip().to_string(),
        port: address.port(),
    }
}

fn get(codes: &str) -> Question {
    Question::Get {
        tls: false,
        path: "/up".into(),
        codes: Codes::read(codes).unwrap(),
    }
}

/// A server that reads a request and answers with these bytes.
async fn server(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let count = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..count]).into_owned();
        assert!(request.starts_with("GET /up HTTP/1.1\r\n"), "{request}");
        stream.write_all(answer).await.unwrap();
    });
    address
}

#[tokio::test]
async fn an_answer_is_judged_by_its_code() {
    let well = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(ask(&order(well, get("200-299"))).await, Ok(()));
    let sick = server(b"HTTP/1.1 503 Sorry\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(
        ask(&order(sick, get("200-299"))).await,
        Err(Failure::Code(503))
    );
}

#[tokio::test]
async fn nonsense_a_refusal_and_a_closed_connection_are_no_answers() {
    let nonsense = server(b"220 mail.example.org\r\n").await;
    let closed = server(b"").await;
    for address in [nonsense, closed] {
        assert_eq!(
            ask(&order(address, get("200"))).await,
            Err(Failure::NoAnswer)
        );
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    assert_eq!(ask(&order(address, Question::Connect)).await, Ok(()));
    drop(nobody);
    assert_eq!(
        ask(&order(address, Question::Connect)).await,
        Err(Failure::NoAnswer)
    );
}

#[tokio::test]
async fn who_accepts_and_says_nothing_has_run_out_of_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut order = order(silent.local_addr().unwrap(), get("200"));
    order.check.timeout = Duration::from_millis(50);
    assert_eq!(ask(&order).await, Err(Failure::Timeout));
}

#[tokio::test]
async fn a_grpc_service_is_judged_by_the_status_it_tells() {
    use hyper::service::service_fn;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = service_fn(|request: Request<Incoming>| async move {
                assert_eq!(request.headers()[header::CONTENT_TYPE], "application/grpc");
                let answer = Response::builder().header("content-type", "application/grpc");
                let known = request.uri().path() == "/grpc.health.v1.Health/Check";
                let answer = answer.header("grpc-status", if known { "0" } else { "12" });
                answer.body(Empty::<Bytes>::new())
            });
            let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(served.serve_connection(TokioIo::new(stream), answer));
        }
    });
    let call = |path: &str, codes: &str| {
        let codes = Codes::read(codes).unwrap();
        order(
            address,
            Question::Call {
                path: path.into(),
                codes,
            },
        )
    };
    assert_eq!(ask(&call("/AWS.ALB/healthcheck", "12")).await, Ok(()));
    assert_eq!(
        ask(&call("/grpc.health.v1.Health/Check", "0")).await,
        Ok(())
    );
    assert_eq!(
        ask(&call("/grpc.health.v1.Health/Check", "12")).await,
        Err(Failure::Code(0))
    );
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_good_enough() {
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    let made = rcgen::generate_simple_self_signed(["nobody.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
        let mut stream = acceptor.accept(stream).await.unwrap();
        let mut request = [0; 1024];
        let count = stream.read(&mut request).await.unwrap();
        assert!(count > 0);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let secure = Question::Get {
        tls: true,
        path: "/".into(),
        codes: Codes::read("200").unwrap(),
    };
    assert_eq!(ask(&order(address, secure)).await, Ok(()));
}

//! Sends requests without a break and counts those that fail: fresh connections, connections that are kept and used again,
//! and requests that take five seconds. Nothing is ever sent twice, so that each fault of the way shows.

use std::cell::RefCell;
use std::io::Error;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, interval, sleep, timeout};

/// A request without an answer after this time, beyond what it takes by itself, hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of the requests a second so many go over kept connections: every other one.
const KEPT_SHARE: u32 = 2;
/// Requests that one kept connection serves before its client closes it, as clients do that want to be spread.
const KEPT_FOR: u32 = 40;
/// Kept connections at a time.
const KEPT: u32 = 10;
/// Slow requests at a time, and how long the server takes for each.
const SLOW: u32 = 4;
const SLOW_FOR: Duration = Duration::from_secs(5);

/// What came of the requests so far.
#[derive(Default)]
struct Tally {
    answered: u64,
    slow: u64,
    failed: u64,
    first_failure: Option<String>,
    last_failure: Option<String>,
    /// The second of the last failure, counted from the start.
    failed_at: Option<u64>,
    longest_gap: Duration,
    last_answer: Option<Instant>,
}

impl Tally {
    fn count(&mut self, outcome: Result<(), Error>, kind: &str, since: Instant) {
        match outcome {
            Ok(()) => {
                self.answered += 1;
                self.slow += u64::from(kind == "slow");
                let now = Instant::now();
                if let Some(last) = self.last_answer.replace(now) {
                    self.longest_gap = self.longest_gap.max(now - last);
                }
            }
            Err(error) => {
                self.failed += 1;
                let elapsed = since.elapsed();
                let words = format!("{kind}: {error} after {elapsed:?}");
                self.failed_at = Some(elapsed.as_secs());
                self.first_failure.get_or_insert_with(|| words.clone());
                self.last_failure = Some(words);
            }
        }
    }

    fn line(&self, second: u64) -> String {
        let gap = u64::try_from(self.longest_gap.as_millis()).unwrap_or(u64::MAX);
        json!({
            "second": second, "answered": self.answered, "slow": self.slow, "failed": self.failed,
            "first": self.first_failure, "last": self.last_failure, "lastFailureSecond": self.failed_at,
            "longestGapMilliseconds": gap,
        })
        .to_string()
    }
}

/// Sends `rate` requests a second for ever, and prints a line of counts each second.
pub(crate) async fn run(target: SocketAddr, rate: u32) -> Result<(), Error> {
    let tally = Rc::new(RefCell::new(Tally::default()));
    let begun = Instant::now();
    let local = LocalSet::new();
    let kept_rate = rate / KEPT_SHARE;
    for _ in 0..KEPT {
        let tally = Rc::clone(&tally);
        let pause = Duration::from_secs(1) * KEPT / kept_rate.max(1);
        local.spawn_local(async move {
            loop {
                keep(target, pause, begun, &tally).await;
            }
        });
    }
    for index in 0..SLOW {
        let tally = Rc::clone(&tally);
        local.spawn_local(async move {
            sleep(SLOW_FOR * index / SLOW).await;
            loop {
                let path = format!("/slow?milliseconds={}", SLOW_FOR.as_millis());
                let outcome = once(target, &path, SLOW_FOR + PATIENCE).await;
                tally.borrow_mut().count(outcome, "slow", begun);
            }
        });
    }
    let counts = Rc::clone(&tally);
    local.spawn_local(async move {
        let fresh = rate.saturating_sub(kept_rate).max(1);
        let mut ticks = interval(Duration::from_secs(1) / fresh);
        loop {
            ticks.tick().await;
            let counts = Rc::clone(&counts);
            tokio::task::spawn_local(async move {
                let outcome = once(target, "/", PATIENCE).await;
                counts.borrow_mut().count(outcome, "fresh", begun);
            });
        }
    });
    local
        .run_until(async {
            let mut seconds = interval(Duration::from_secs(1));
            loop {
                seconds.tick().await;
                print_line(&tally.borrow().line(begun.elapsed().as_secs()));
            }
        })
        .await
}

#[expect(clippy::print_stdout, reason = "its counts are its output")]
fn print_line(line: &str) {
    println!("{line}");
}

/// One request over a connection of its own.
async fn once(target: SocketAddr, path: &str, limit: Duration) -> Result<(), Error> {
    within(limit, async {
        let mut stream = TcpStream::connect(target).await?;
        ask(&mut stream, path, true).await
    })
    .await
}

/// Requests over one connection, until the client has had enough of it or one fails.
async fn keep(target: SocketAddr, pause: Duration, begun: Instant, tally: &RefCell<Tally>) {
    let stream = within(PATIENCE, TcpStream::connect(target)).await;
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            tally.borrow_mut().count(Err(error), "kept", begun);
            return sleep(pause).await;
        }
    };
    for number in 1..=KEPT_FOR {
        let last = number == KEPT_FOR;
        let outcome = within(PATIENCE, ask(&mut stream, "/", last)).await;
        let goes_on = outcome.is_ok();
        tally.borrow_mut().count(outcome, "kept", begun);
        sleep(pause).await;
        if !goes_on {
            return;
        }
    }
}

async fn within<T>(
    limit: Duration,
    doing: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let outcome = timeout(limit, doing).await;
    outcome.unwrap_or_else(|_| Err(Error::other("no answer in time")))
}

/// Sends a request and reads its whole answer, which must be 200.
async fn ask(stream: &mut TcpStream, path: &str, closes: bool) -> Result<(), Error> {
    let connection = if closes { "close" } else { "keep-alive" };
    let request = format!("GET {path} HTTP/1.1\r\nHost: load\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if missing(&answer)? == Some(0) {
            return Ok(());
        }
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(Error::other(format!("closed after {} bytes", answer.len())));
        }
        answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
}

/// Bytes of the body that are still to come; `None` while the head is not whole.
fn missing(answer: &[u8]) -> Result<Option<usize>, Error> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).to_lowercase();
    if !head.starts_with("http/1.1 200") {
        let status = head.lines().next().unwrap_or_default().to_owned();
        return Err(Error::other(status));
    }
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    Ok(Some((end + 4 + length).saturating_sub(answer.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(missing(&answer[..20]).unwrap(), None);
        assert_eq!(missing(&answer[..answer.len() - 1]).unwrap(), Some(1));
        assert_eq!(missing(answer).unwrap(), Some(0));
        assert!(missing(b"HTTP/1.1 503 No\r\n\r\n").is_err());
    }
}

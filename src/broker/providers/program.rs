//! One call of a credential provider: the request to its standard input, the answer from its standard output.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy, sink};
use tokio::process::{ChildStdin, Command};

use crate::domain::registry::pattern::repository;
use crate::domain::registry::provided::{Answer, PROTOCOL};

/// Tokens have some kilobytes.
const LONGEST_ANSWER: u64 = 64 * 1024;
/// Of what a program that failed says, so much is told.
const LONGEST_COMPLAINT: u64 = 1024;

/// A program and how it is called. It has the broker's environment, in which cloud providers put who the pod is.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
}

impl Program {
    /// Asks for the credentials of an image. The program is killed when nobody waits for it any more.
    ///
    /// # Errors
    /// What went wrong: what the program says of that, but never what it answers.
    pub(super) async fn ask(&self, image: &str) -> Result<Answer, String> {
        let mut child = Command::new(&self.path)
            .args(&self.arguments)
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot be started: {error}"))?;
        let request = json!({
            "apiVersion": PROTOCOL, "kind": "CredentialProviderRequest", "image": repository(image),
        });
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let ((), answer, complaint, status) = tokio::try_join!(
            write(input, request.to_string()),
            read(output, LONGEST_ANSWER + 1),
            read(errors, LONGEST_COMPLAINT),
            child.wait(),
        )
        .map_err(|error| error.to_string())?;
        if !status.success() {
            let complaint = String::from_utf8_lossy(&complaint);
            return Err(format!("{status}: {}", complaint.trim().escape_debug()));
        }
        if u64::try_from(answer.len()).is_ok_and(|length| length > LONGEST_ANSWER) {
            return Err(format!("it answers more than {LONGEST_ANSWER} bytes"));
        }
        Answer::read(&answer).map_err(|error| format!("its answer cannot be used: {error}"))
    }
}

/// A program that knows its answer need not read the question.
async fn write(to: Option<ChildStdin>, text: String) -> std::io::Result<()> {
    let Some(mut to) = to else { return Ok(()) };
    match to.write_all(text.as_bytes()).await {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The beginning of what is written; all of it is taken, so that its writer is not held up.
async fn read(from: Option<impl AsyncRead + Unpin>, longest: u64) -> std::io::Result<Vec<u8>> {
    let mut beginning = Vec::new();
    if let Some(from) = from {
        let mut limited = from.take(longest);
        limited.read_to_end(&mut beginning).await?;
        copy(&mut limited.into_inner(), &mut sink()).await?;
    }
    Ok(beginning)
}

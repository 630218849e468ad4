//! The log driver `syslog` with a real receiver: rsyslog, beside the nodes.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::process::{Child, Command};

use crate::harness::{LATER, SOON, beside_others, service};

/// Where nodes find this machine.
const ADDRESS: &str = "10.90.0.1";
const PORT: u16 = 61_514;

/// A server that writes all it gets into `messages`; it ends when it is dropped.
fn receiver(folder: &Path) -> Child {
    let messages = folder.join("messages");
    let configuration = folder.join("rsyslog.conf");
    let text = format!(
        r#"module(load="imtcp")
input(type="imtcp" address="{ADDRESS}" port="{PORT}")
template(name="raw" type="string" string="%rawmsg%\n")
*.* action(type="omfile" file="{}" template="raw")
"#,
        messages.display()
    );
    fs::write(&configuration, text).unwrap();
    Command::new("/usr/sbin/rsyslogd")
        .args(["-n", "-i"])
        .arg(folder.join("pid"))
        .arg("-f")
        .arg(configuration)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("rsyslog is installed: hack/lib/prerequisites.sh names it")
}

#[tokio::test]
async fn what_a_container_writes_arrives_at_a_syslog_server_under_its_tag() {
    beside_others("syslog", async |scene| {
        let folder = tempfile::tempdir().unwrap();
        let _server = receiver(folder.path());
        scene
            .eventually("rsyslog to listen", SOON, async || {
                let connected = tokio::net::TcpStream::connect((ADDRESS, PORT)).await;
                connected.map(drop).map_err(|error| error.to_string())
            })
            .await;
        let log = json!({"logDriver": "syslog", "options": {
            "syslog-address": format!("tcp://{ADDRESS}:{PORT}"),
            "syslog-facility": "local3",
            "tag": "shop/{{.Name}}",
        }});
        let web = service("web").desired(2).with("logConfiguration", log);
        scene.apply(&web).await;
        scene.settled("web", 2).await;
        scene
            .eventually("a line of each task", LATER, async || {
                let text = fs::read_to_string(folder.path().join("messages"));
                let text = text.map_err(|error| error.to_string())?;
                let ours = text.lines().filter(|line| {
                    // 158: facility local3 (19 * 8) with severity info (6).
                    line.starts_with("<158>")
                        && line.contains("shop/ecs-web-1-app-")
                        && line.contains("listening")
                });
                if ours.count() == 2 { Ok(()) } else { Err(text) }
            })
            .await;
    })
    .await;
}

//! Counts the connections to a task's ports, from inside the task's network.
//!
//! The kernel shows the connections of a network only to processes in it. So the agent runs its own program there, in a
//! container that joins the network and ends when no connection is left (docs/decisions/0009).

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Where the kernel shows the connections of a network, over IPv4 and IPv6.
const TABLES: [&str; 2] = ["net/tcp", "net/tcp6"];
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// Looks in a row without a connection after which there is none: a client that makes one for each request has no gap of
/// that length while it sends any.
const LOOKS: u32 = 5;

/// States of a connection over which somebody may still be served, in the kernel's numbers: established, being accepted,
/// or closed by one side only. Not counted are those that only wait for late packets.
const SERVING: [u8; 6] = [0x01, 0x03, 0x04, 0x08, 0x09, 0x0b];

/// How many connections to `ports` a table of the kernel's shows.
#[must_use]
pub fn open(table: &str, ports: &BTreeSet<u16>) -> usize {
    let hex = |text: &str| u16::from_str_radix(text, 16).ok();
    let is_open = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().and_then(|local| local.rsplit_once(':'));
        let state = words
            .nth(1)
            .and_then(|state| u8::from_str_radix(state, 16).ok());
        local
            .and_then(|(_, port)| hex(port))
            .is_some_and(|port| ports.contains(&port))
            && state.is_some_and(|state| SERVING.contains(&state))
    };
    table.lines().skip(1).filter(is_open).count()
}

/// Waits until no connection to `ports` is left in the network of this process.
///
/// # Errors
/// When the kernel does not show them under `proc`.
pub async fn until_none(proc: &Path, ports: &BTreeSet<u16>) -> io::Result<()> {
    let mut looks = 0;
    while looks < LOOKS {
        let mut count = 0;
        for table in TABLES {
            match tokio::fs::read_to_string(proc.join(table)).await {
                Ok(text) => count += open(&text, ports),
                // A kernel without IPv6 has no table for it.
                Err(error) if error.kind() == io::ErrorKind::NotFound && table == "net/tcp6" => {}
                Err(error) => return Err(error),
            }
        }
        looks = if count == 0 { looks + 1 } else { 0 };
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0301A8C0:1F90 0101A8C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 0301A8C0:1F90 0101A8C0:C351 06 00000000:00000000 03:00001700 00000000     0        0 0 3 0
   3: 0301A8C0:1F90 0101A8C0:C352 08 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   4: 0301A8C0:C360 0101A8C0:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1
   5: 0301A8C0:1F90 0101A8C0:C353 04 00000010:00000000 01:00000014 00000000     0        0 0 1 0 20 4 30 10 -1
";

    #[test]
    fn connections_over_which_somebody_may_be_served_are_open_and_others_are_not() {
        let ports = |ports: &[u16]| ports.iter().copied().collect();
        assert_eq!(
            open(TABLE, &ports(&[8080])),
            3,
            "not the listener, the one that waits for late packets, and the one to somebody else's port"
        );
        assert_eq!(open(TABLE, &ports(&[80])), 0);
        assert_eq!(open(TABLE, &ports(&[80, 8080])), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_without_connections_is_left_after_a_row_of_looks() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("net")).unwrap();
        let table = folder.path().join("net/tcp");
        std::fs::write(&table, TABLE).unwrap();
        let ports = BTreeSet::from([8080]);
        let wait = until_none(folder.path(), &ports);
        let closes = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            std::fs::write(&table, TABLE.lines().next().unwrap()).unwrap();
        };
        let began = tokio::time::Instant::now();
        let (left, ()) = tokio::join!(wait, closes);
        left.unwrap();
        let waited = began.elapsed();
        assert!(waited >= Duration::from_secs(4), "{waited:?}");
    }
}

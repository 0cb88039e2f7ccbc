//! The resident memory of the built command.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use session_tests::database::{Database, Kind};
use tokio::process::Command;

use crate::apply::{KEYS, SOURCE_KEY, sealed};
use crate::rows::filled_with;

/// How often the memory is read; the kernel keeps the maximum.
const PACE: Duration = Duration::from_millis(20);

pub(crate) async fn print(rows: u64) {
    let Some(command) = command() else {
        println!("memory is not measured: `cargo build --release -p session-migrate` first");
        return;
    };
    println!("the most resident memory of a command, with {rows} rows and a cap of 10");
    println!("{:<24} {:>9} {:>9} {:>9}", "", "offline", "online", "prune");
    for kind in Kind::available() {
        let mut measured = Vec::new();
        for words in [&["apply"][..], &["apply", "--online"], &["prune"]] {
            let database = filled_with(kind, rows, &sealed()).await;
            measured.push(measure(&command, &database, None, words).await);
        }
        row(&kind.to_string(), &measured);
        if kind == Kind::Sqlite {
            continue;
        }
        let mut measured = Vec::new();
        for words in [&["apply"][..], &["apply", "--online"]] {
            let database = filled_with(kind, rows, &sealed()).await;
            let target = Database::create(Kind::Sqlite).await;
            measured.push(measure(&command, &database, Some(&target), words).await);
        }
        row(&format!("{kind} into SQLite"), &measured);
    }
}

fn row(name: &str, measured: &[u64]) {
    let cells: Vec<String> = measured.iter().map(|kib| format!("{:>6} MB", kib / 1024)).collect();
    println!("{name:<24} {}", cells.join(" "));
}

/// Returns the command beside this program, if it was built.
fn command() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.parent()?.to_owned();
    Some(folder.join("session-migrate")).filter(|path| path.exists())
}

/// Returns the most KiB that the command had in memory.
async fn measure(
    command: &PathBuf,
    database: &Database,
    target: Option<&Database>,
    words: &[&str],
) -> u64 {
    let mut command = Command::new(command);
    command.args(words).args(["--from", database.url(), "--preset", "openwebui", "--yes"]);
    command.args(["--max-sessions", "10"]);
    if let Some(target) = target {
        command.args(["--to", target.url()]);
    }
    command.env("SESSION_KEYS", KEYS).env("SESSION_MIGRATE_SOURCE_KEY", SOURCE_KEY);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let mut most = 0;
    loop {
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{words:?}: {ended}");
            return most;
        }
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        most = most.max(kib.unwrap_or(0));
        tokio::time::sleep(PACE).await;
    }
}

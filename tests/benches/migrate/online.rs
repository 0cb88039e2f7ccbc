//! An online move with a cap while another process writes: how long writes are blocked, and how long
//! each takes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use session_migrate::{Approval, Move, Phase};
use session_tests::database::{Database, Kind};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::apply::{options, sealed};
use crate::median;
use crate::rows::filled_with;

const CAP: u32 = 10;

pub(crate) async fn print(rows: u64, runs: usize, writes: u64, quiet: Duration) {
    println!("online moves of {rows} rows, with {writes} writes/s; medians of {runs} runs");
    println!(
        "{:<10} {:>9} {:>9} {:>11} {:>11} {:>7}",
        "", "move", "blocked", "p99 before", "p99 during", "ratio"
    );
    let sealed = sealed();
    for kind in Kind::available() {
        let mut columns: [Vec<f64>; 5] = std::array::from_fn(|_| Vec::new());
        for _ in 0..runs {
            let measured = measured(&filled_with(kind, rows, &sealed).await, writes, quiet).await;
            columns.iter_mut().zip(measured).for_each(|(column, value)| column.push(value));
        }
        let [took, blocked, before, during, ratio] = columns.map(median);
        println!(
            "{:<10} {took:>7.2} s {blocked:>7.3} s {before:>8.2} ms {during:>8.2} ms {ratio:>7.2}",
            kind.to_string(),
        );
    }
}

/// Moves once; returns the seconds of the move and of the block, and the 99th percentile of the
/// writes in milliseconds, before and during the move.
async fn measured(database: &Database, writes: u64, quiet: Duration) -> [f64; 5] {
    let mut writer = Writer::start(database.url(), writes);
    tokio::time::sleep(quiet).await;
    let before = writer.percentile().await;
    let moving = Move::new(options(database, Some(CAP)).online(true));
    let mut progress = moving.progress();
    let watched = tokio::spawn(async move {
        let blocked = progress.wait_for(|progress| progress.phase == Phase::Cutover).await;
        drop(blocked.unwrap());
        let since = Instant::now();
        drop(progress.wait_for(|progress| progress.phase == Phase::Open).await.unwrap());
        since.elapsed().as_secs_f64()
    });
    let begun = Instant::now();
    // It compares both sides once more when the target is open, and fails if they differ.
    let report = moving.apply(Approval::Unreviewed).await.unwrap();
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(report.phase, Phase::Open);
    let during = writer.last_percentile().await;
    [took, watched.await.unwrap(), before, during, during / before]
}

/// The process that writes.
struct Writer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Writer {
    fn start(url: &str, rate: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["writer", url, &rate.to_string()]).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take().unwrap(), output, child }
    }

    /// Returns the percentile so far, in milliseconds, and begins anew.
    async fn percentile(&mut self) -> f64 {
        self.input.write_all(b"\n").await.unwrap();
        self.read().await
    }

    /// Returns the percentile up to the write that was refused.
    async fn last_percentile(mut self) -> f64 {
        let percentile = self.read().await;
        self.child.wait().await.unwrap();
        percentile
    }

    async fn read(&mut self) -> f64 {
        let line = self.output.next_line().await.unwrap().unwrap();
        line.parse::<f64>().unwrap() / 1000.0
    }
}

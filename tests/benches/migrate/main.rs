//! The cost of a move and of a prune, compared with statements written by hand:
//!
//!     cargo bench -p session-tests --bench migrate [-- prune|apply|online|memory]
//!
//! Each available database is measured three times, or `SESSION_BENCH_RUNS` times, with a million rows
//! or `SESSION_BENCH_ROWS` of them. `scripts/with-databases cargo bench …` adds PostgreSQL and MariaDB
//! to SQLite. An argument measures only one part: `online` shows how long writes are blocked and how
//! long each takes, with `SESSION_BENCH_WRITES` writes of another process in a second (default 50);
//! `memory` runs the built command, which `cargo build --release -p session-migrate` builds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a bench measures real time, prints, and fails by panicking"
)]

use std::time::Duration;

use mimalloc::MiMalloc;

mod apply;
mod memory;
mod online;
mod prune;
mod rows;
mod writer;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let [word, url, rate] = arguments.as_slice()
        && word == "writer"
    {
        return runtime.block_on(writer::write(url, rate.parse().unwrap()));
    }
    // `cargo test --benches` runs this as a smoke test, with few rows.
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let rows = number("SESSION_BENCH_ROWS", if is_bench { 1_000_000 } else { 2_000 });
    let runs = number("SESSION_BENCH_RUNS", if is_bench { 3 } else { 1 });
    let runs = usize::try_from(runs).unwrap().max(1);
    let part = arguments.iter().find(|argument| !argument.starts_with('-'));
    let is_measured = |name: &str| part.is_none_or(|part| part == name);
    if is_measured("prune") {
        runtime.block_on(prune::print(rows, runs));
    }
    if is_measured("apply") {
        runtime.block_on(apply::print(rows, runs));
    }
    if is_measured("online") {
        let (writes, quiet) = (number("SESSION_BENCH_WRITES", 50), if is_bench { 60 } else { 1 });
        runtime.block_on(online::print(rows, runs, writes, Duration::from_secs(quiet)));
    }
    if is_measured("memory") {
        runtime.block_on(memory::print(rows));
    }
}

/// Returns the number in a variable of the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Returns the median of some measured values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

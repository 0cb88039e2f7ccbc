//! The cost of a request, compared with that of other libraries, in one run:
//!
//!     cargo bench -p session-tests --bench peers
//!
//! Every row sends the same request (three cookies, one of 10,000 sessions chosen uniformly) to the
//! same router; only the layer differs. Rows are measured in turn and compared round by round, so
//! that other load on the machine affects all of them. `scripts/with-databases cargo bench …` measures
//! cache misses on PostgreSQL and MariaDB too; otherwise they are measured on SQLite.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a bench measures real time, prints, and fails by panicking"
)]

mod login;
mod measure;
mod miss;
mod rows;
mod sample;
mod threads;
mod watched;

use measure::{Measured, median, ratio};

/// The number of sessions that the requests are spread over.
const SESSIONS: usize = 10_000;

fn main() {
    // `cargo test --benches` runs this as a smoke test, with one round.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let rounds = if is_bench { 31 } else { 1 };
    // An argument after `--` measures only one part: `hits`, `misses`, `logins` or `watched`.
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_selected = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let overhead = is_selected("hits").then(|| hits(&current, rounds));
    if is_selected("misses") {
        // On a worker thread, like the connections of a server.
        runtime.block_on(runtime.spawn(miss::print(rounds))).unwrap();
    }
    if is_selected("logins") {
        runtime.block_on(login::print());
    }
    if part.as_deref() == Some("watched") {
        runtime.block_on(watched::print());
    }
    if let Some(overhead) = overhead {
        println!("overhead ratio: {overhead:.2}");
    }
}

/// Measures cached requests, prints a line for each row, and returns the ratio of our overhead to
/// the peer's.
fn hits(runtime: &tokio::runtime::Runtime, rounds: usize) -> f64 {
    let mut rows = runtime.block_on(rows::all());
    let measured: Vec<Measured> = measure::in_turn(runtime, &mut rows, rounds);
    let [bare, noop, peer, ours] = &measured[..] else { panic!("four rows") };
    println!("a cached request, {SESSIONS} sessions, a token set of {} bytes", sample::size());
    println!("{:<44} {:>9} {:>7} {:>22}", "", "median", "allocs", "overhead to the peer's");
    for row in &measured {
        let overhead = ratio(&row.over(bare), &peer.over(bare));
        let nanos = median(&row.nanos);
        println!("{:<44} {:>6.0} ns {:>7} {:>22.2}", row.name, nanos, row.allocations, overhead);
    }
    let more = ours.allocations.saturating_sub(noop.allocations);
    println!("allocations over a no-op layer: {more}");
    let overhead = ratio(&ours.over(bare), &peer.over(bare));
    threads::print(&mut rows, rounds);
    overhead
}

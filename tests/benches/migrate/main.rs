//! The cost of a move and of a prune, compared with statements written by hand:
//!
//!     cargo bench -p session-tests --bench migrate
//!
//! Each available database is measured once, with a million rows or `SESSION_BENCH_ROWS` of them.
//! `scripts/with-databases cargo bench …` adds PostgreSQL and MariaDB to SQLite.
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

mod apply;
mod prune;
mod rows;

fn main() {
    // `cargo test --benches` runs this as a smoke test, with few rows.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let rows = std::env::var("SESSION_BENCH_ROWS").ok().map(|rows| rows.parse().unwrap());
    let rows: u64 = rows.unwrap_or(if is_bench { 1_000_000 } else { 2_000 });
    // An argument after `--` measures only one part: `apply` or `prune`.
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if part.as_deref().is_none_or(|part| part == "prune") {
        runtime.block_on(prune::print(rows));
    }
    if part.as_deref().is_none_or(|part| part == "apply") {
        runtime.block_on(apply::print(rows));
    }
}

//! What a store of many sessions costs, compared with a small one in the same run:
//!
//!     ./scripts/with-databases cargo bench -p session-tests --bench scale [-- operations|expiry|warm]
//!
//! `operations` fills three databases of each kind with ten thousand, one million and five million
//! sessions (`SESSION_BENCH_SIZES`, about 1.3 KB each with indexes and history), and measures each
//! operation on them in turn. `expiry` looks at the latency of requests while a million sessions
//! (`SESSION_BENCH_EXPIRED`) time out at once, and while they are deleted. `warm` compares requests
//! that find their session in the cache with an application without the layer, over HTTP.
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

mod expiry;
mod fill;
mod operation;
mod site;
mod warm;

use session_tests::database::Kind;

use operation::Operation;
use site::Site;

fn main() {
    // `cargo test --benches` runs this as a smoke test, with few rows.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_selected = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let rounds = if is_bench { 31 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if is_selected("operations") {
        let sizes = sizes(if is_bench { "10000,1000000,5000000" } else { "3000,4000" });
        for kind in Kind::available() {
            // On a worker thread, like the connections of a server.
            let sizes = sizes.clone();
            runtime.block_on(runtime.spawn(operations(kind, sizes, rounds))).unwrap();
        }
    }
    if is_selected("expiry") {
        let default = if is_bench { "1000000" } else { "2000" };
        let expired = setting("SESSION_BENCH_EXPIRED", default).parse().unwrap();
        runtime.block_on(runtime.spawn(expiry::print(expired))).unwrap();
    }
    if is_selected("warm") {
        warm::print(if is_bench { 100_000 } else { 100 }, rounds);
    }
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn sizes(default: &str) -> Vec<u64> {
    let sizes = setting("SESSION_BENCH_SIZES", default);
    sizes.split(',').map(|size| size.parse().unwrap()).collect()
}

/// Prints a line for each operation: its time in the smallest database, and the ratio of each larger
/// one to it, the median of all rounds.
async fn operations(kind: Kind, sizes: Vec<u64>, rounds: usize) {
    let mut sites = Vec::new();
    for size in &sizes {
        sites.push(Site::filled(kind, *size).await);
    }
    println!("{kind}, sessions: {sizes:?}");
    for operation in Operation::ALL {
        let mut nanos: Vec<Vec<f64>> = vec![Vec::new(); sites.len()];
        // The first round warms the connections and their statements.
        for number in 0..=rounds {
            for (site, nanos) in sites.iter_mut().zip(&mut nanos) {
                let took = operation.round(site).await;
                if number > 0 {
                    nanos.push(took);
                }
            }
        }
        let ratios: Vec<String> =
            nanos.iter().map(|it| format!("{:>6.2}", ratio(it, &nanos[0]))).collect();
        let micros = median(nanos[0].clone()) / 1_000.0;
        println!("  {:<10} {micros:>9.1} µs {}", format!("{operation:?}"), ratios.join(" "));
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the median of the ratios of all rounds.
pub(crate) fn ratio(one: &[f64], other: &[f64]) -> f64 {
    median(one.iter().zip(other).map(|(one, other)| one / other).collect())
}

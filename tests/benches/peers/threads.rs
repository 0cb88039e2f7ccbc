//! Cached requests of many threads at once: all of one session, or each of any.

use std::sync::Barrier;
use std::time::Instant;

use tokio::runtime::Builder;

use crate::SESSIONS;
use crate::measure::{Row, median, ratio, requests};

const THREADS: usize = 16;

/// The number of requests of a thread in a round.
const REQUESTS: usize = 4_000;

/// Prints a line for one hot session, and one for all sessions: our overhead over the bare router's
/// as a ratio to the peer's, measured in turn.
pub(crate) fn print(rows: &mut [Row], rounds: usize) {
    let [bare, _, peer, ours] = rows else { panic!("four rows") };
    for (name, sessions) in [("one hot session", 1), ("10,000 sessions", SESSIONS)] {
        let mut nanos = [vec![], vec![], vec![]];
        for number in 0..=rounds {
            for (row, nanos) in [&mut *bare, &mut *peer, &mut *ours].into_iter().zip(&mut nanos) {
                nanos.push(round(row, number + 1, sessions));
            }
        }
        // The first round warms the caches of the threads.
        let [bare, peer, ours] = nanos.each_ref().map(|nanos| &nanos[1.min(nanos.len() - 1)..]);
        let over = |row: &[f64]| -> Vec<f64> { row.iter().zip(bare).map(|(a, b)| a - b).collect() };
        println!(
            "{:<44} {:>6.2} overhead to the peer's, {:.2} of the whole ({:.0}, {:.0}, bare {:.0} ns)",
            format!("{THREADS} threads, {name}"),
            ratio(&over(ours), &over(peer)),
            ratio(ours, peer),
            median(ours),
            median(peer),
            median(bare),
        );
    }
}

/// Sends requests from all threads at once; returns nanoseconds per request.
fn round(row: &Row, seed: usize, sessions: usize) -> f64 {
    let barrier = Barrier::new(THREADS + 1);
    let cookies = &row.cookies[..sessions];
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (mut router, barrier) = (row.router.clone(), &barrier);
                scope.spawn(move || {
                    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                    barrier.wait();
                    let seed = seed * THREADS + thread;
                    runtime.block_on(requests(&mut router, cookies, seed, REQUESTS));
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        started.elapsed().as_nanos() as f64 / (THREADS * REQUESTS) as f64
    })
}

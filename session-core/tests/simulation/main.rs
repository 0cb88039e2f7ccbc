//! Several nodes, one store and a provider, in an order that a seed decides.
//!
//! All runs on one thread. Each call to the store waits until the scheduler lets it through, each
//! answer of the provider until it is delivered, and time passes only when the scheduler says so. A
//! node that is killed loses its tasks wherever they are; one that is frozen is not polled. A seed makes
//! the same choices each time, but ids are random, by which the code orders some of its work: a seed that
//! fails most often fails again. `SIMULATION_SEED=7` runs it alone, `SIMULATION_SEEDS=5000` as many.
#![cfg(feature = "test-util")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, reason = "the counts are for the reader of a run")]

mod checks;
mod clock;
#[path = "../flaws/store/mod.rs"]
#[allow(dead_code, reason = "two of its flaws are planted here")]
mod flawed;
mod history;
mod node;
mod provider;
mod random;
mod requests;
mod scheduler;

use flawed::Flaw;
use history::Counts;
use scheduler::Simulation;

/// How many seeds an ordinary run has.
const SEEDS: u64 = 50;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seeds() -> std::ops::Range<u64> {
    match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").unwrap_or(SEEDS),
    }
}

/// Runs a seed, and returns what was wrong with it.
fn run(seed: u64, flaw: Flaw) -> (Counts, Vec<String>) {
    let mut simulation = Simulation::new(seed, flaw);
    simulation.run();
    simulation.finish()
}

#[test]
fn many_nodes_lose_nothing_and_spend_no_token_twice() {
    let mut total = Counts::default();
    for seed in seeds() {
        let (counts, violations) = run(seed, Flaw::None);
        assert!(violations.is_empty(), "SIMULATION_SEED={seed}:\n{}", violations.join("\n"));
        total.add(&counts);
    }
    println!("{total:?}");
    if seeds().count() >= 50 {
        total.assert_all_happened();
    }
}

/// The number of seeds within which a planted fault is found.
const SEEDS_WITH_FLAW: u64 = 400;

fn is_found(flaw: Flaw, law: &str) -> bool {
    (0..SEEDS_WITH_FLAW).any(|seed| {
        let (_, violations) = run(seed, flaw);
        let found = violations.iter().find(|violation| violation.contains(law));
        found.inspect(|violation| println!("{flaw:?}, seed {seed}: {violation}")).is_some()
    })
}

#[test]
fn some_seed_finds_a_store_that_ignores_the_revision() {
    assert!(is_found(Flaw::WritesAnyRevision, "overwritten by"));
}

#[test]
fn some_seed_finds_a_store_that_gives_away_held_leases() {
    assert!(is_found(Flaw::ClaimsHeldLeases, "was sent twice"));
}

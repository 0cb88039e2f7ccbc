//! The renewal of one session by two processes, in every order that small bounds allow.
#![allow(clippy::print_stdout, reason = "the counts are for the reader of a run")]

use models::renewal::{Bounds, Flaw, Renewal};
use stateright::{Checker, Expectation, HasDiscoveries, Model as _};

/// Nothing goes wrong but that the provider may be slow.
const QUIET: Bounds = Bounds {
    ticks: 6,
    crashes: 0,
    freezes: 0,
    suspensions: 0,
    lost_answers: 0,
    lost_writes: 0,
    ends: 0,
    other_writes: 0,
    claims: 3,
};

const KILLED: Bounds = Bounds { crashes: 1, lost_answers: 1, ..QUIET };
const FROZEN: Bounds = Bounds { freezes: 1, ..QUIET };
const SUSPENDED: Bounds = Bounds { suspensions: 1, ..QUIET };
const WRITTEN: Bounds = Bounds { ends: 1, lost_writes: 1, other_writes: 1, ticks: 5, ..QUIET };

/// A model whose second process has a clock that is two thirds of a token's lifetime ahead.
const fn model(bounds: Bounds, detects_reuse: bool) -> Renewal {
    Renewal { bounds, detects_reuse, ahead: [0, 2], flaw: None }
}

/// Returns how long runs are, if this is asked for: each tick multiplies the states.
fn ticks() -> Option<u8> {
    std::env::var("MODEL_TICKS").ok()?.parse().ok()
}

/// Explores everything: what must always hold does, and these things happen.
fn holds(name: &str, bounds: Bounds, happen: &[&str]) {
    let bounds = Bounds { ticks: ticks().unwrap_or(bounds.ticks), ..bounds };
    let mut seen = Vec::new();
    for detects_reuse in [true, false] {
        let model = model(bounds, detects_reuse);
        let checker = model.checker().threads(2).spawn_bfs().join();
        let (states, depth) = (checker.unique_state_count(), checker.max_depth());
        println!("{name}, reuse detected: {detects_reuse}: {states} states, depth {depth}");
        for property in model.properties() {
            let found = checker.discovery(property.name);
            match property.expectation {
                Expectation::Sometimes => seen.extend(found.map(|_| property.name)),
                _ => assert!(found.is_none(), "{}: {found:#?}", property.name),
            }
        }
    }
    for name in happen {
        assert!(seen.contains(name), "never: {name}; seen: {seen:?}");
    }
}

/// Returns whether the checker finds a run in which this does not hold.
fn finds(flaw: Flaw, bounds: Bounds, detects_reuse: bool, property: &'static str) -> bool {
    let model = Renewal { flaw: Some(flaw), ..model(bounds, detects_reuse) };
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    println!("{flaw:?}: found after {} states", checker.unique_state_count());
    checker.discovery(property).is_some()
}

#[test]
fn killed_processes_and_lost_answers_break_no_law() {
    let happen = ["it is renewed twice", "a lease is taken over", "a token is sent twice"];
    holds("killed", KILLED, &happen);
}

#[test]
fn frozen_processes_break_no_law() {
    let happen = ["a writer is overtaken", "the last check comes too late", "an answer is late"];
    holds("frozen", FROZEN, &happen);
}

#[test]
fn suspended_machines_break_no_law() {
    holds("suspended", SUSPENDED, &["the last check comes too late", "a lease is taken over"]);
}

#[test]
fn ends_and_other_writes_meanwhile_break_no_law() {
    let happen = ["a fetched token is discarded", "a write meets another revision"];
    holds("written", WRITTEN, &happen);
}

const SENT_ONCE: &str = "a refresh token is sent twice only with an excuse";

#[test]
fn the_checker_finds_a_write_that_ignores_the_revision() {
    let overwritten = "a newer token is never overwritten";
    assert!(finds(Flaw::IgnoresRevision, FROZEN, false, overwritten));
}

#[test]
fn the_checker_finds_a_missing_last_check() {
    assert!(finds(Flaw::SkipsLastCheck, FROZEN, true, SENT_ONCE));
}

#[test]
fn the_checker_finds_a_last_check_of_the_monotonic_clock_alone() {
    assert!(finds(Flaw::TrustsMonotonicClock, SUSPENDED, true, SENT_ONCE));
}

#[test]
fn the_checker_finds_a_take_over_without_watching() {
    assert!(finds(Flaw::TakesOverAtOnce, QUIET, true, SENT_ONCE));
}

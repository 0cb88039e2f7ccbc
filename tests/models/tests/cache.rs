//! The guarded fill of the cache, in every order.
#![allow(clippy::print_stdout, reason = "the counts are for the reader of a run")]

use models::cache::{Flaw, GuardedFill};
use stateright::{Checker, Model as _};

#[test]
fn no_row_is_cached_that_was_read_before_an_end() {
    let checker = GuardedFill::default().checker().spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn the_checker_finds_each_flaw_of_the_fill() {
    for flaw in [Flaw::FillsUnguarded, Flaw::UnlocksAfterCheck, Flaw::ForgetsFirst] {
        let checker = GuardedFill { flaw: Some(flaw) }.checker().spawn_bfs().join();
        assert!(checker.discovery("what has ended is not cached").is_some(), "{flaw:?}");
    }
}

//! A random life of many sessions on two nodes, compared step by step with a small model (laws 1,
//! 2, 3, 5, 6, 7, 11; F7, F13, F17, S4).
//!
//! The model knows nothing of revisions, leases, tasks or seals: who lives, why the others ended,
//! which secret leads where, and which tokens were seen. The provider detects reuse: one refresh
//! token that was sent twice, or of a live session revoked, fails the test.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod check;
mod model;
mod op;
mod play;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_manager_does_as_the_model_says(ops in prop::collection::vec(op::steps(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play::play(&ops));
    }
}

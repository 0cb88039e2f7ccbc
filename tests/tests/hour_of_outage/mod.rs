//! An hour without the provider, and one without the database, by a fake clock: what 10,000 sessions
//! of one node cost before, during and after, and that none of them is lost.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a panic is how a test fails, and its figures are read"
)]

mod load;

use session_core::provider::ProviderErrorKind;
use session_core::testing::{Fault, RenewalScript};

use load::Load;

/// Runs ten minutes, an hour of an outage, and ten minutes after it, and holds what they cost. The
/// figures of each phase are printed; `cargo nextest run --no-capture` shows them.
async fn survives(title: &str, begins: impl FnOnce(&Load), ends: impl FnOnce(&Load)) {
    let load = Load::new().await;
    let before = load.runs_for(10).await;
    assert_eq!((before.unavailable, before.rejected), (0, 0), "{before}");
    begins(&load);
    let during = load.runs_for(60).await;
    ends(&load);
    let recovering = load.runs_for(1).await;
    let after = load.runs_for(9).await;
    for (phase, minutes) in [("before", &before), ("during", &during), ("after", &after)] {
        println!("{title}, {phase}: {minutes}");
    }

    assert_eq!(during.rejected, 0, "no session is signed out: {during}");
    assert!(during.unavailable > 0, "tokens have expired: {during}");
    assert!(during.most_queries <= before.most_queries * 11 / 10, "{before}; {during}");
    assert!(during.most_provider_calls <= before.most_provider_calls / 10, "{before}; {during}");
    assert!(during.most_tasks <= before.most_tasks + 20, "{before}; {during}");
    assert!(during.most_lines <= 200, "{during}");
    let failed = after.unavailable + after.rejected;
    assert_eq!(failed, 0, "recovered within a minute: {recovering}; {after}");
    assert!(load.all_are_live().await);
}

#[tokio::test]
async fn f11_an_hour_without_the_provider_costs_no_session_and_hardly_a_query() {
    let fails = RenewalScript::Fail(ProviderErrorKind::Unavailable, None);
    survives(
        "the provider is away",
        |load| load.world.provider.otherwise(fails),
        |load| load.world.provider.otherwise(RenewalScript::Rotate),
    )
    .await;
}

#[tokio::test]
async fn f6_an_hour_without_the_database_costs_no_session_and_few_lines() {
    survives(
        "the database is away",
        |load| load.world.store.set_all(Fault::AWAY),
        |load| load.world.store.clear_all(),
    )
    .await;
}

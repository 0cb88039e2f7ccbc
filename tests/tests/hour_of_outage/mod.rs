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

use load::{Load, Minutes};

/// Prints the figures of each phase; `cargo nextest run --no-capture` shows them.
fn show(title: &str, phases: [(&str, &Minutes); 3]) {
    for (phase, minutes) in phases {
        println!("{title}, {phase}: {minutes}");
    }
}

#[tokio::test]
async fn f11_an_hour_without_the_provider_costs_no_session_and_hardly_a_query() {
    let load = Load::new().await;
    let before = load.runs_for(10).await;
    assert_eq!((before.unavailable, before.rejected), (0, 0), "{before}");

    load.world.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Unavailable, None));
    let during = load.runs_for(60).await;
    load.world.provider.otherwise(RenewalScript::Rotate);
    let recovering = load.runs_for(1).await;
    let after = load.runs_for(9).await;
    show("the provider is away", [("before", &before), ("during", &during), ("after", &after)]);

    assert_eq!(during.rejected, 0, "nobody is signed out: {during}");
    assert!(during.unavailable > 0, "tokens have expired: {during}");
    assert!(during.most_queries <= before.most_queries * 11 / 10, "{before}; {during}");
    assert!(during.most_provider_calls <= before.most_provider_calls / 10, "{before}; {during}");
    assert!(during.most_tasks <= before.most_tasks + 20, "{before}; {during}");
    assert!(during.most_lines <= 200, "{during}");
    assert_eq!(
        after.unavailable + after.rejected,
        0,
        "recovered within a minute: {recovering}; {after}"
    );
    assert!(load.all_are_live().await);
}

#[tokio::test]
async fn f6_an_hour_without_the_database_costs_no_session_and_few_lines() {
    let load = Load::new().await;
    let before = load.runs_for(10).await;

    load.world.store.set_all(Fault::AWAY);
    let during = load.runs_for(60).await;
    load.world.store.clear_all();
    let recovering = load.runs_for(1).await;
    let after = load.runs_for(9).await;
    show("the database is away", [("before", &before), ("during", &during), ("after", &after)]);

    assert_eq!(during.rejected, 0, "nobody is signed out: {during}");
    assert!(during.unavailable > 0, "{during}");
    assert!(during.most_queries <= before.most_queries * 11 / 10, "{before}; {during}");
    assert!(during.most_provider_calls <= before.most_provider_calls / 10, "{before}; {during}");
    assert!(during.most_tasks <= before.most_tasks + 20, "{before}; {during}");
    assert!(during.most_lines <= 200, "{during}");
    assert_eq!(
        after.unavailable + after.rejected,
        0,
        "recovered within a minute: {recovering}; {after}"
    );
    assert!(load.all_are_live().await);
}

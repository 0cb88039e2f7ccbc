//! Stores with one flaw each: the conformance suite finds every flaw by the law that it breaks.
#![cfg(feature = "test-util")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod store;

use std::sync::Arc;

use session_core::SessionStore;
use session_core::store::memory::MemoryStore;
use session_core::testing::conformance;

use store::{Flaw, Flawed};

/// Each flaw, with a law that it breaks.
const FLAWS: [(Flaw, u8); 64] = [
    (Flaw::AdmitsInTwoSteps, 1),
    (Flaw::CountsAllPartitionsTogether, 1),
    (Flaw::EvictsOneOnly, 1),
    (Flaw::EvictsAsTimedOut, 1),
    (Flaw::EvictsTheAdmitted, 1),
    (Flaw::OrdersByClock, 1),
    (Flaw::HidesTheLastUse, 1),
    (Flaw::CarriesOutRefusals, 2),
    (Flaw::EndsSiblings, 2),
    (Flaw::ForgetsTheBrowser, 2),
    (Flaw::KnowsCurrentCookiesOnly, 2),
    (Flaw::SupersedesAfterTheCount, 2),
    (Flaw::SupersedesByAnyPreviousCookie, 2),
    (Flaw::SupersedesOnRefusal, 2),
    (Flaw::TouchesSiblings, 2),
    (Flaw::ResealsAnyRevision, 3),
    (Flaw::ResealsAsRenewal, 3),
    (Flaw::ResealsAllOrNone, 3),
    (Flaw::RotatesAnySecret, 3),
    (Flaw::WritesAnyRevision, 3),
    (Flaw::WritesInTwoSteps, 3),
    (Flaw::StepsUpAnyRevision, 3),
    (Flaw::KeepsTheAuthentication, 3),
    (Flaw::ListsAllAsConnections, 9),
    (Flaw::ConfirmsWithTheOldSecret, 3),
    (Flaw::ClaimsHeldLeases, 4),
    (Flaw::ClaimsInTwoSteps, 4),
    (Flaw::RaisesForAnyOwner, 4),
    (Flaw::ReleasesForAnyOwner, 4),
    (Flaw::TakesOverMovingLeases, 4),
    (Flaw::WritesWithoutRelease, 4),
    (Flaw::ReadsFromACache, 5),
    (Flaw::EndsForAnyUser, 6),
    (Flaw::FoldsCase, 6),
    (Flaw::ForgetsClaimedMigrated, 6),
    (Flaw::HoldsAllImported, 6),
    (Flaw::OffersConnections, 6),
    (Flaw::OffersClaimedSessions, 6),
    (Flaw::ListsOldestFirst, 6),
    (Flaw::MixesProviders, 6),
    (Flaw::OffersOldestFirst, 6),
    (Flaw::TrimsNames, 6),
    (Flaw::EndsUsedOnes, 7),
    (Flaw::EndsChangedOnes, 7),
    (Flaw::ForgetsReasons, 7),
    (Flaw::ForgetsActors, 7),
    (Flaw::ReversesEvents, 7),
    (Flaw::PagesChangesWithoutCursor, 7),
    (Flaw::HidesRenewals, 7),
    (Flaw::RoundsToSeconds, 8),
    (Flaw::PurgesAll, 9),
    (Flaw::PurgesTooEarly, 9),
    (Flaw::PagesWithoutCursor, 9),
    (Flaw::ListsAllProviders, 9),
    (Flaw::ClaimsRoundsForAll, 9),
    (Flaw::CutsLargeValues, 10),
    (Flaw::ForgetsOtherKeys, 10),
    (Flaw::ClaimsRevocationsForAll, 11),
    (Flaw::DropsRefreshTokens, 11),
    (Flaw::EndsAllOfAnIssuer, 11),
    (Flaw::EndsLaterSessions, 11),
    (Flaw::EndsOneProviderAsAll, 11),
    (Flaw::EnqueuesTwice, 11),
    (Flaw::ForgetsTheReplacedToken, 3),
];

async fn broken_laws(flaw: Flaw) -> Vec<(u8, &'static str)> {
    let nodes = || async move {
        let store = Flawed::new(MemoryStore::new(), flaw);
        let nodes: Vec<Arc<dyn SessionStore>> = vec![Arc::new(store.node()), Arc::new(store)];
        nodes
    };
    match conformance::check(&nodes).await {
        Ok(_) => Vec::new(),
        Err(found) => found.iter().map(|(case, _)| (case.law(), case.name())).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_suite_finds_every_flaw() {
    let mut missed = Vec::new();
    for (flaw, law) in FLAWS {
        // The tasks of a race may happen to run one after the other, which hides a flaw; hardly ever
        // three times.
        let mut found = Vec::new();
        for _ in 0..3 {
            found.extend(broken_laws(flaw).await);
            if found.iter().any(|(broken, _)| *broken == law) {
                break;
            }
        }
        if !found.iter().any(|(broken, _)| *broken == law) {
            missed.push(format!("{flaw:?} breaks law {law}, found was {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_suite_finds_nothing_in_a_store_without_a_flaw() {
    assert_eq!(broken_laws(Flaw::None).await, Vec::new());
}

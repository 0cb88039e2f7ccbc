//! The store in memory keeps every law, alone and wrapped in a faulty store without faults.
#![cfg(feature = "test-util")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashSet;
use std::sync::Arc;

use session_core::SessionStore;
use session_core::store::memory::MemoryStore;
use session_core::testing::{Fault, FaultyStore, Method, conformance};

type Nodes = Vec<Arc<dyn SessionStore>>;

async fn in_memory() -> Nodes {
    let store = MemoryStore::new();
    vec![Arc::new(store.clone()), Arc::new(store)]
}

async fn behind_no_faults() -> Nodes {
    let store = MemoryStore::new();
    vec![Arc::new(FaultyStore::new(store.clone())), Arc::new(FaultyStore::new(store))]
}

/// Checks one law, and that it has cases.
async fn check_law(law: u8) {
    let ran = conformance::check_law(law, &in_memory).await.unwrap();
    assert!(ran > 0, "no case of law {law}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_1_admit_is_atomic() {
    check_law(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_2_a_login_ends_nothing_else() {
    check_law(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_3_nothing_is_resurrected_nothing_is_lost() {
    check_law(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_4_one_lease_at_a_time() {
    check_law(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_5_a_write_is_durable_when_it_returns() {
    check_law(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_6_lookups_are_bound() {
    check_law(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_7_every_end_has_a_reason() {
    check_law(7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_8_the_callers_clock_decides() {
    check_law(8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_9_purging_is_batched() {
    check_law(9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_10_tokens_at_rest_are_sealed() {
    check_law(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn law_11_ending_moves_the_refresh_token_out() {
    check_law(11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_faulty_store_without_faults_keeps_every_law() {
    let ran = conformance::check(&behind_no_faults).await.unwrap();
    assert_eq!(ran, conformance::cases().len());
}

#[test]
fn every_case_has_a_name_of_its_own_that_begins_with_its_law() {
    let cases = conformance::cases();
    let names: HashSet<&str> = cases.iter().map(conformance::Case::name).collect();
    assert_eq!(names.len(), cases.len());
    for case in &cases {
        assert!(case.name().starts_with(&format!("law_{}_", case.law())), "{case:?}");
    }
    let laws: HashSet<u8> = cases.iter().map(conformance::Case::law).collect();
    assert_eq!(laws, (1..=11).collect());
}

#[tokio::test]
async fn an_unavailable_store_fails_every_case() {
    let away = || async {
        let store = FaultyStore::new(MemoryStore::new());
        store.set_all(Fault::AWAY);
        let nodes: Nodes = vec![Arc::new(store)];
        nodes
    };
    let violations = conformance::check(&away).await.unwrap_err();
    assert_eq!(violations.iter().count(), conformance::cases().len());
    assert!(violations.to_string().contains("the session store is unavailable"));
}

#[tokio::test]
async fn a_store_without_nodes_is_refused() {
    let none = || async { Nodes::new() };
    assert!(conformance::check(&none).await.is_err());
}

/// Each method is needed by some case, so that a missing one is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_failing_method_is_found() {
    for method in Method::ALL {
        let broken = || async move {
            let store = FaultyStore::new(MemoryStore::new());
            store.set(method, Fault::AWAY);
            let nodes: Nodes = vec![Arc::new(store)];
            nodes
        };
        assert!(conformance::check(&broken).await.is_err(), "{method:?} is never called");
    }
}

//! A short run on each database.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

use chaos::Options;
use chaos::checker::{Law, Violation};
use clap::Parser as _;
use session_tests::database::Kind;

/// Runs the bench for a short time, if there is a server.
async fn run_short(kind: Kind, name: &str, seed: &str) {
    if !kind.is_available() {
        return;
    }
    let arguments = ["chaos", "--database", name, "--seed", seed, "--seconds", "25"];
    let options = Options::parse_from(arguments.into_iter().chain(["--browsers", "24"]));
    let report = Box::pin(chaos::run(options)).await.unwrap_or_else(|error| panic!("{error}"));
    // How soon errors end depends on the machine, which runs other tests: long runs look at it.
    let is_of_time = |violation: &Violation| violation.law == Law::Healthy;
    assert!(report.violations.iter().all(is_of_time), "{report}");
    // What saw nothing has proved nothing.
    let summary = &report.summary;
    let saw_enough = summary.served > 300 && summary.logins > 20 && summary.renewals > 20;
    assert!(saw_enough && summary.faults.len() > 2 && summary.ended > 5, "{report}");
    std::fs::remove_dir_all(report.file.parent().unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_sqlite() {
    run_short(Kind::Sqlite, "sqlite", "3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_postgres() {
    run_short(Kind::Postgres, "postgres", "3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_mariadb() {
    run_short(Kind::MariaDb, "mariadb", "4").await;
}

/// Sends requests to three processes at once when the token has expired.
async fn run_at_expiry(kind: Kind, name: &str) {
    if !kind.is_available() {
        return;
    }
    let options = Options::parse_from(["chaos", "--database", name, "--seed", "9"]);
    let seen = chaos::at_expiry(&options, 300).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((seen.served, seen.renewals), (300, 1), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_renew_once_together_on_postgres() {
    run_at_expiry(Kind::Postgres, "postgres").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_renew_once_together_on_mariadb() {
    run_at_expiry(Kind::MariaDb, "mariadb").await;
}

//! Many requests at once, over all processes, when a session's access token has just expired.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::bench::start_site;
use crate::browser::Browser;
use crate::cookies::Login;
use crate::error::BenchError;
use crate::history::{Action, HistoryWriter};
use crate::options::Options;
use crate::provider::{ACCESS_TOKEN_LIFETIME, RunClock, RunProvider};

/// How long the provider takes for the renewal.
const LATENCY: Duration = Duration::from_millis(500);

/// How long the renewed token is valid: no second renewal is due meanwhile.
const LONG: Duration = Duration::from_secs(3600);

/// What was seen of requests that came at once.
#[derive(Clone, Debug)]
pub struct Expiry {
    /// How many requests were answered with the tool's answer.
    pub served: usize,
    /// How many were sent.
    pub requests: usize,
    /// The renewals that the provider saw.
    pub renewals: usize,
    /// How long the provider took, in microseconds.
    pub latency: u64,
    /// How long the slowest request took, in microseconds.
    pub slowest: u64,
    /// How long the slowest of as many requests took that needed no renewal, in microseconds.
    pub slowest_without: u64,
}

/// Sends requests at once when the token has expired.
///
/// # Errors
///
/// Returns an error if something could not be started, or the sign-in failed.
pub async fn at_expiry(options: &Options, requests: usize) -> Result<Expiry, BenchError> {
    let folder = crate::bench::output_folder(options)?;
    let failed = BenchError::because("cannot write the history");
    let history = HistoryWriter::create(&folder.join("history.jsonl")).map_err(failed)?;
    let clock = RunClock::start();
    let provider = RunProvider::start(clock, Duration::ZERO).await?;
    let site = start_site(options, &folder, &provider, Arc::new(history), clock).await?;
    let browser = Browser { site, number: 0, user: "ann".to_owned(), is_final: false };
    let login = browser.sign_in(0, None).await;
    let login = login.ok_or_else(|| BenchError::new("the sign-in failed"))?;
    sleep(ACCESS_TOKEN_LIFETIME).await;
    provider.control().set_access_token_lifetime(LONG);
    provider.control().set_latency(LATENCY);
    drop(provider.control().take_renewals());
    let (served, slowest) = at_once(&browser, &login, requests).await;
    let renewals = provider.control().take_renewals().len();
    let (_, slowest_without) = at_once(&browser, &login, requests).await;
    let latency = u64::try_from(LATENCY.as_micros()).unwrap_or(u64::MAX);
    Ok(Expiry { served, requests, renewals, latency, slowest, slowest_without })
}

/// Returns how many were served, and how long the slowest took.
async fn at_once(browser: &Browser, login: &Login, requests: usize) -> (usize, u64) {
    let mut calls = JoinSet::new();
    for number in 0..requests {
        let (browser, login) = (browser.clone(), login.clone());
        let process = number % browser.site.processes.len();
        calls.spawn(async move { browser.call(Action::Tool, process, &login).await });
    }
    let calls = calls.join_all().await;
    let served = calls.iter().filter(|call| call.status == Some(200)).count();
    (served, calls.iter().map(|call| call.end - call.start).max().unwrap_or_default())
}

impl Expiry {
    /// Returns whether all were served, with one renewal.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.served == self.requests && self.renewals == 1
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |micros: u64| micros / 1_000;
        write!(
            f,
            "{} of {} requests at once served, {} renewals at the provider, which took {} ms; the slowest \
             took {} ms, and {} ms where no renewal was due",
            self.served,
            self.requests,
            self.renewals,
            millis(self.latency),
            millis(self.slowest),
            millis(self.slowest_without),
        )
    }
}

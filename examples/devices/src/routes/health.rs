//! `GET /healthz`: whether this copy can serve anybody.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;

use crate::refusal::Refusal;
use crate::site::Site;

/// How long the store may take to answer.
const BOUND: Duration = Duration::from_secs(2);

const AWAY: &str = "The sessions cannot be reached now.";

/// Asks the store for no session in particular.
pub(crate) async fn health(State(site): State<Arc<Site>>) -> Result<&'static str, Refusal> {
    let nobody = [NOBODY.parse().map_err(|_| away())?];
    match tokio::time::timeout(BOUND, site.store.find_all(&nobody)).await {
        Ok(Ok(_)) => Ok("ok\n"),
        Ok(Err(_)) | Err(_) => Err(away()),
    }
}

/// The id of no session.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

fn away() -> Refusal {
    Refusal::unavailable(AWAY, None)
}

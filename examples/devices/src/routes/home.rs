//! `GET /`: the page "Your devices".

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use session_tower::{CurrentSession, EndedSession};

use crate::page;
use crate::refusal::Refusal;
use crate::site::Site;

/// The devices of whoever is signed in; else the way in, and why this device is out.
pub(crate) async fn home(
    State(site): State<Arc<Site>>,
    current: Option<CurrentSession>,
    ended: Option<EndedSession>,
) -> Result<Response, Refusal> {
    let Some(current) = current else {
        return Ok(page::signed_out(ended.map(|ended| ended.reason), site.is_built_in));
    };
    let listed = site.manager.list(current.user(), Some(current.id())).await?;
    Ok(page::devices(current.user(), &listed, site.manager.now()))
}

//! The service: a ticket is valid for ten minutes, and a renewal code once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use session_core::Timestamp;
use session_core::clock::Clock;

use super::{APPLICATION_KEY, TICKET};
use crate::http::random_token;

const LIFETIME: Duration = Duration::from_secs(600);

/// The in-house token service. Clones share their state.
#[derive(Clone)]
pub(crate) struct House {
    clock: Arc<dyn Clock>,
    application_key: Arc<str>,
    records: Arc<Mutex<Records>>,
}

/// The state of the service.
#[derive(Default)]
struct Records {
    /// The user of each ticket, and when the ticket expires.
    tickets: HashMap<String, (String, Timestamp)>,
    /// The user of each renewal code.
    renewal_codes: HashMap<String, String>,
    renewed: u32,
    is_closed: bool,
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

#[derive(Deserialize)]
struct Renewal {
    renewal: String,
}

/// An error of the service's protocol.
enum ServiceError {
    ApplicationUnknown,
    Closed,
    RenewalSpent,
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        let (status, problem) = match self {
            Self::ApplicationUnknown => (StatusCode::UNAUTHORIZED, "application_unknown"),
            Self::Closed => (StatusCode::SERVICE_UNAVAILABLE, "closed"),
            Self::RenewalSpent => (StatusCode::GONE, "renewal_spent"),
        };
        let mut response = (status, Json(json!({ "problem": problem }))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl House {
    pub(crate) fn new(clock: impl Clock, application_key: &str) -> Self {
        let (clock, records) = (Arc::new(clock), Arc::default());
        Self { clock, application_key: application_key.into(), records }
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/tickets", post(issue))
            .route("/tickets/renew", post(renew))
            .route("/tickets/forget", post(forget))
            .route("/whoami", get(whoami))
            .with_state(self.clone())
    }

    /// Returns how many tickets were renewed.
    pub(crate) fn renewed(&self) -> u32 {
        self.records().renewed
    }

    /// Returns how many renewal codes are valid.
    pub(crate) fn renewal_codes(&self) -> usize {
        self.records().renewal_codes.len()
    }

    /// Closes the service, or opens it again.
    pub(crate) fn set_closed(&self, is_closed: bool) {
        self.records().is_closed = is_closed;
    }

    /// Deletes all renewal codes of a user, as an administrator would.
    pub(crate) fn dismiss(&self, user: &str) {
        self.records().renewal_codes.retain(|_, owner| owner != user);
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that the service is open and that the request has the application's key.
    fn check_request(&self, headers: &HeaderMap) -> Result<(), ServiceError> {
        if self.records().is_closed {
            return Err(ServiceError::Closed);
        }
        let key = headers.get(APPLICATION_KEY).map(HeaderValue::as_bytes);
        let is_known = key == Some(self.application_key.as_bytes());
        if is_known { Ok(()) } else { Err(ServiceError::ApplicationUnknown) }
    }

    fn issue_ticket(&self, user: String) -> Response {
        let (Ok(ticket), Ok(renewal)) = (random_token(), random_token()) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let expires_at = self.clock.now() + LIFETIME;
        let mut records = self.records();
        records.tickets.insert(ticket.clone(), (user.clone(), expires_at));
        records.renewal_codes.insert(renewal.clone(), user);
        let good_for = LIFETIME.as_secs() / 60;
        Json(json!({"ticket": ticket, "renewal": renewal, "good_for_minutes": good_for, "desk": 4}))
            .into_response()
    }
}

async fn issue(
    State(house): State<House>,
    headers: HeaderMap,
    Json(login): Json<Login>,
) -> Result<Response, ServiceError> {
    house.check_request(&headers)?;
    Ok(house.issue_ticket(login.user))
}

async fn renew(
    State(house): State<House>,
    headers: HeaderMap,
    Json(Renewal { renewal }): Json<Renewal>,
) -> Result<Response, ServiceError> {
    house.check_request(&headers)?;
    let user = house.records().renewal_codes.remove(&renewal);
    let user = user.ok_or(ServiceError::RenewalSpent)?;
    house.records().renewed += 1;
    Ok(house.issue_ticket(user))
}

async fn forget(
    State(house): State<House>,
    headers: HeaderMap,
    Json(Renewal { renewal }): Json<Renewal>,
) -> Result<StatusCode, ServiceError> {
    house.check_request(&headers)?;
    house.records().renewal_codes.remove(&renewal);
    Ok(StatusCode::NO_CONTENT)
}

async fn whoami(State(house): State<House>, headers: HeaderMap) -> Result<String, StatusCode> {
    let ticket = headers.get(TICKET).and_then(|value| value.to_str().ok());
    let now = house.clock.now();
    let records = house.records();
    let known = ticket.and_then(|ticket| records.tickets.get(ticket));
    let valid = known.filter(|(_, expires_at)| now < *expires_at);
    valid.map(|(user, _)| user.clone()).ok_or(StatusCode::UNAUTHORIZED)
}

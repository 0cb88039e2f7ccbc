//! The service: its tickets are good for ten minutes, and each renewal is good once.

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
use session_core::{Clock, Timestamp};

use super::{APPLICATION_KEY, TICKET};
use crate::http::random_token;

const LIFETIME: Duration = Duration::from_secs(600);

/// The in-house token service. Clones are the same one.
#[derive(Clone)]
pub(crate) struct House {
    clock: Arc<dyn Clock>,
    application_key: Arc<str>,
    desk: Arc<Mutex<Desk>>,
}

/// What the service remembers.
#[derive(Default)]
struct Desk {
    /// Whose a ticket is, and until when it is good.
    tickets: HashMap<String, (String, Timestamp)>,
    /// Whose a renewal is.
    renewals: HashMap<String, String>,
    renewed: u32,
    is_closed: bool,
}

#[derive(Deserialize)]
struct Login {
    person: String,
}

#[derive(Deserialize)]
struct Renewal {
    renewal: String,
}

/// Why a request is turned away, in the words of the service's protocol.
enum TurnedAway {
    ApplicationUnknown,
    Closed,
    RenewalSpent,
}

impl IntoResponse for TurnedAway {
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
        let (clock, desk) = (Arc::new(clock), Arc::default());
        Self { clock, application_key: application_key.into(), desk }
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/tickets", post(issue))
            .route("/tickets/renew", post(renew))
            .route("/tickets/forget", post(forget))
            .route("/whoami", get(whoami))
            .with_state(self.clone())
    }

    /// How many tickets were renewed.
    pub(crate) fn renewed(&self) -> u32 {
        self.desk().renewed
    }

    /// How many renewals are good.
    pub(crate) fn good_renewals(&self) -> usize {
        self.desk().renewals.len()
    }

    /// Closes the desk for a while, or opens it again.
    pub(crate) fn close(&self, is_closed: bool) {
        self.desk().is_closed = is_closed;
    }

    /// Forgets all of a person's renewals, as an administrator would.
    pub(crate) fn dismiss(&self, person: &str) {
        self.desk().renewals.retain(|_, holder| holder != person);
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every request is from the application that the service knows, while the desk is open.
    fn admits(&self, headers: &HeaderMap) -> Result<(), TurnedAway> {
        if self.desk().is_closed {
            return Err(TurnedAway::Closed);
        }
        let key = headers.get(APPLICATION_KEY).map(HeaderValue::as_bytes);
        let is_known = key == Some(self.application_key.as_bytes());
        if is_known { Ok(()) } else { Err(TurnedAway::ApplicationUnknown) }
    }

    fn ticket_for(&self, person: String) -> Response {
        let (Ok(ticket), Ok(renewal)) = (random_token(), random_token()) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let good_until = self.clock.now() + LIFETIME;
        let mut desk = self.desk();
        desk.tickets.insert(ticket.clone(), (person.clone(), good_until));
        desk.renewals.insert(renewal.clone(), person);
        let good_for = LIFETIME.as_secs() / 60;
        Json(json!({"ticket": ticket, "renewal": renewal, "good_for_minutes": good_for, "desk": 4}))
            .into_response()
    }
}

async fn issue(
    State(house): State<House>,
    headers: HeaderMap,
    Json(login): Json<Login>,
) -> Result<Response, TurnedAway> {
    house.admits(&headers)?;
    Ok(house.ticket_for(login.person))
}

async fn renew(
    State(house): State<House>,
    headers: HeaderMap,
    Json(Renewal { renewal }): Json<Renewal>,
) -> Result<Response, TurnedAway> {
    house.admits(&headers)?;
    let holder = house.desk().renewals.remove(&renewal);
    let person = holder.ok_or(TurnedAway::RenewalSpent)?;
    house.desk().renewed += 1;
    Ok(house.ticket_for(person))
}

async fn forget(
    State(house): State<House>,
    headers: HeaderMap,
    Json(Renewal { renewal }): Json<Renewal>,
) -> Result<StatusCode, TurnedAway> {
    house.admits(&headers)?;
    house.desk().renewals.remove(&renewal);
    Ok(StatusCode::NO_CONTENT)
}

async fn whoami(State(house): State<House>, headers: HeaderMap) -> Result<String, StatusCode> {
    let ticket = headers.get(TICKET).and_then(|value| value.to_str().ok());
    let now = house.clock.now();
    let desk = house.desk();
    let holder = ticket.and_then(|ticket| desk.tickets.get(ticket));
    let good = holder.filter(|(_, good_until)| now < *good_until);
    good.map(|(person, _)| person.clone()).ok_or(StatusCode::UNAUTHORIZED)
}

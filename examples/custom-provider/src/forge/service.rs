//! The service: a token is good until somebody deletes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::http::random_token;

/// A service like GitHub. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Forge {
    /// Whose a token is.
    tokens: Arc<Mutex<HashMap<String, String>>>,
}

/// The code that the browser came back with; here it is the person's name.
#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

impl Forge {
    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/login/oauth/access_token", post(exchange))
            .route("/applications/my-app/token", delete(forget))
            .route("/user", get(user))
            .with_state(self.clone())
    }

    /// Deletes all of a person's tokens, as the person can on the service's own pages.
    pub(crate) fn withdraw(&self, person: &str) {
        self.tokens().retain(|_, holder| holder != person);
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Neither `expires_in` nor a refresh token.
async fn exchange(State(forge): State<Forge>, Json(Code { code }): Json<Code>) -> Response {
    let Ok(token) = random_token() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    forge.tokens().insert(token.clone(), code);
    Json(json!({"access_token": token, "token_type": "bearer", "scope": "repo"})).into_response()
}

async fn forget(State(forge): State<Forge>, Json(token): Json<Token>) -> StatusCode {
    match forge.tokens().remove(&token.access_token) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn user(State(forge): State<Forge>, headers: HeaderMap) -> Result<String, StatusCode> {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
    let person = token.and_then(|token| forge.tokens().get(token).cloned());
    person.ok_or(StatusCode::UNAUTHORIZED)
}

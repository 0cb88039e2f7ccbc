//! The service: a token is valid until it is deleted.

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

/// A service like GitHub. Clones share their state.
#[derive(Clone, Default)]
pub(crate) struct Forge {
    /// The user of each token.
    tokens: Arc<Mutex<HashMap<String, String>>>,
}

/// The authorization code; here it is the user's name.
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
            .route("/applications/my-app/token", delete(delete_token))
            .route("/user", get(user))
            .with_state(self.clone())
    }

    /// Deletes all tokens of a user, as the user can on the service's own pages.
    pub(crate) fn withdraw(&self, user: &str) {
        self.tokens().retain(|_, owner| owner != user);
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Issues a token, with neither `expires_in` nor a refresh token.
async fn exchange(State(forge): State<Forge>, Json(Code { code }): Json<Code>) -> Response {
    let Ok(token) = random_token() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    forge.tokens().insert(token.clone(), code);
    Json(json!({"access_token": token, "token_type": "bearer", "scope": "repo"})).into_response()
}

async fn delete_token(State(forge): State<Forge>, Json(token): Json<Token>) -> StatusCode {
    match forge.tokens().remove(&token.access_token) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn user(State(forge): State<Forge>, headers: HeaderMap) -> Result<String, StatusCode> {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
    let user = token.and_then(|token| forge.tokens().get(token).cloned());
    user.ok_or(StatusCode::UNAUTHORIZED)
}

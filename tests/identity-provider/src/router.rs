//! The routes.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::provider::Provider;
use crate::stats::Stats;
use crate::{authorize, discovery, introspect, login, logout, revoke, token, userinfo};

/// Returns all endpoints of a provider.
pub(crate) fn router(provider: Provider) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery::configuration))
        .route("/.well-known/oauth-authorization-server", get(discovery::authorization_server))
        .route("/jwks", get(discovery::jwks))
        .route("/authorize", get(authorize::authorize).post(authorize::authorize))
        .route("/login", post(login::login))
        .route("/token", post(token::token))
        .route("/userinfo", get(userinfo::userinfo).post(userinfo::userinfo))
        .route("/revoke", post(revoke::revoke))
        .route("/introspect", post(introspect::introspect))
        .route("/logout", get(logout::logout).post(logout::logout))
        .route("/stats", get(stats))
        .with_state(provider)
}

async fn stats(State(provider): State<Provider>) -> Json<Stats> {
    Json(provider.ledger().stats())
}

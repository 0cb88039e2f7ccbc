//! `GET /api/tool`: calls another service on behalf of the user, with the session's access token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use session_core::provider::openid::DefaultHttpClient;
use session_tower::outgoing::OutgoingClient;
use session_tower::{CurrentSession, Rejection};

use super::AppState;

/// Calls the provider's userinfo endpoint. If it rejects the token, the client renews it and tries
/// once more.
pub(crate) async fn tool(
    State(state): State<Arc<AppState>>,
    current: CurrentSession,
) -> Result<Response, Rejection> {
    // Made at the first call, so that the application starts while the provider is away.
    let (client, path) = state.tool.get_or_try_init(|| userinfo(&state)).await?;
    let answer = client.get(&current, path).await?;
    match answer.status() {
        status if status.is_success() => {
            Ok(([(CONTENT_TYPE, "application/json")], answer.into_body()).into_response())
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(Rejection::Unavailable { retry_after: Duration::from_secs(1) })
        }
        _ => Err(Rejection::BadGateway),
    }
}

/// Returns a client of the endpoint that the provider's discovery document names, and its path.
async fn userinfo(state: &AppState) -> Result<(OutgoingClient, String), Rejection> {
    let away = |_| Rejection::Unavailable { retry_after: Duration::from_secs(1) };
    let endpoints = state.provider.openid.endpoints().await.map_err(away)?;
    let userinfo = endpoints.userinfo.ok_or(Rejection::BadGateway)?;
    let (scheme, authority) = (userinfo.scheme_str(), userinfo.authority());
    let (Some(scheme), Some(authority)) = (scheme, authority) else {
        return Err(Rejection::BadGateway);
    };
    let http = DefaultHttpClient::new().map_err(|_| Rejection::BadGateway)?;
    let client =
        OutgoingClient::new(state.manager.clone(), http, &format!("{scheme}://{authority}"))
            .map_err(|_| Rejection::BadGateway)?;
    Ok((client, userinfo.path().to_owned()))
}

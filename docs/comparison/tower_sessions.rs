//! Sign-in, a call to another service, devices and sign-out with tower-sessions.
//!
//! Not a part of the workspace: it was compiled and run once, with
//!
//! ```toml
//! [dependencies]
//! anyhow = "1"
//! axum = "0.8"
//! base64 = "0.22"
//! html-escape = "0.2"
//! jsonwebtoken = "9"
//! openidconnect = "4"
//! reqwest = { version = "0.12", default-features = false, features = ["json", "rustls-tls"] }
//! serde = { version = "1", features = ["derive"] }
//! serde_json = "1"
//! sqlx = { version = "0.8", default-features = false, features = ["runtime-tokio", "sqlite"] }
//! time = "0.3"
//! tokio = { version = "1", features = ["full"] }
//! tower-sessions = "0.14"
//! tower-sessions-core = { version = "0.14", features = ["deletion-task"] }
//! tower-sessions-sqlx-store = { version = "0.15", features = ["sqlite"] }
//! uuid = { version = "1", features = ["v4"] }
//! ```
//!
//! tower-sessions keeps values by the cookie alone, so that what belongs to a user stands in a table of
//! the application, one row for each login. Lines that begin with `// ==` begin the parts that are
//! counted in docs/comparison.md.

// == set-up
use std::collections::HashMap;
use std::env;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, ensure};
use axum::extract::{Form, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header::USER_AGENT};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Router, routing::get, routing::post};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreErrorResponseType};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    ProviderMetadataWithLogout, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use time::OffsetDateTime;
use tower_sessions::cookie::SameSite;
use tower_sessions::{ExpiredDeletion as _, Expiry, Session, SessionManagerLayer};
use tower_sessions_sqlx_store::SqliteStore;

const SITE: &str = "https://app.example";
const API: &str = "https://api.example";

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS login (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, sid TEXT, device TEXT NOT NULL,
    created_at INTEGER NOT NULL, last_seen_at INTEGER NOT NULL, access_token TEXT NOT NULL,
    refresh_token TEXT, id_token TEXT NOT NULL, expires_at INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS login_by_user ON login (user_id);
    CREATE INDEX IF NOT EXISTS login_by_sid ON login (sid)";

type Oidc = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

#[derive(Clone)]
struct App {
    db: SqlitePool,
    http: reqwest::Client,
    oidc: Oidc,
    metadata: ProviderMetadataWithLogout,
    /// Held while a login's tokens are renewed.
    renewals: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

struct AppError(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for AppError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        eprintln!("{:#}", self.0);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let db = SqlitePool::connect("sqlite://app.sqlite?mode=rwc").await?;
    sqlx::raw_sql(SCHEMA).execute(&db).await?;
    let store = SqliteStore::new(db.clone());
    store.migrate().await?;
    tokio::spawn(store.clone().continuously_delete_expired(std::time::Duration::from_secs(60)));
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_secs(10))
        .build()?;
    let issuer = IssuerUrl::new(env::var("OKTA_ISSUER")?)?;
    let metadata = ProviderMetadataWithLogout::discover_async(issuer, &http).await?;
    let (id, secret) = (env::var("OKTA_CLIENT_ID")?, env::var("OKTA_CLIENT_SECRET")?);
    let secret = Some(ClientSecret::new(secret));
    let oidc = CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(id), secret)
        .set_redirect_uri(RedirectUrl::new(format!("{SITE}/callback"))?);
    let sessions = SessionManagerLayer::new(store)
        .with_name("__Host-id")
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(time::Duration::days(7)));
    let app = Router::new()
        .route("/", get(async |login: Login| format!("Hello, {}", login.user_id)))
        .route("/me", get(me))
        .route("/devices", get(devices))
        .route("/devices/end", post(end_one))
        .route("/devices/end-others", post(end_others))
        .route("/login", get(login))
        .route("/callback", get(callback))
        .route("/logout", post(logout))
        .layer(sessions)
        .route("/backchannel-logout", post(back_channel_logout))
        .with_state(App { db, http, oidc, metadata, renewals: Arc::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}

// == sign-in
/// What a browser keeps until it returns from the provider.
#[derive(Serialize, Deserialize)]
struct Pending {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

#[derive(Deserialize)]
struct Callback {
    code: String,
    state: String,
}

/// One login of a user in one browser.
#[derive(Clone, sqlx::FromRow)]
struct Login {
    id: String,
    user_id: String,
    device: String,
    last_seen_at: i64,
    access_token: String,
    refresh_token: Option<String>,
    id_token: String,
    expires_at: i64,
}

impl FromRequestParts<App> for Login {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let session = Session::from_request_parts(parts, app).await;
        let session = session.map_err(IntoResponse::into_response)?;
        let find = async {
            let Some(id) = session.get::<String>("login").await? else { return Ok(None) };
            let used = "UPDATE login SET last_seen_at = ? WHERE id = ? RETURNING *";
            Ok(sqlx::query_as(used).bind(now()).bind(id).fetch_optional(&app.db).await?)
        };
        let found = find.await.map_err(|error| AppError(error).into_response())?;
        found.ok_or_else(|| Redirect::to("/login").into_response())
    }
}

async fn login(State(app): State<App>, session: Session) -> Result<Redirect, AppError> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let (url, state, nonce) = app
        .oidc
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email", "offline_access"].map(|name| Scope::new(name.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    // By its state, so that several tabs can sign in at once.
    session.insert(&format!("pending-{}", state.secret()), Pending { nonce, verifier }).await?;
    Ok(Redirect::to(url.as_str()))
}

async fn callback(
    State(app): State<App>,
    session: Session,
    headers: HeaderMap,
    Query(query): Query<Callback>,
) -> Result<Redirect, AppError> {
    let pending = session.remove::<Pending>(&format!("pending-{}", query.state)).await?;
    let pending = pending.context("the sign-in was not begun in this browser")?;
    let code = AuthorizationCode::new(query.code);
    let request = app.oidc.exchange_code(code)?.set_pkce_verifier(pending.verifier);
    let tokens = request.request_async(&app.http).await?;
    let id_token = tokens.id_token().context("no ID token")?;
    let claims = id_token.claims(&app.oidc.id_token_verifier(), &pending.nonce)?;
    // The same browser signs in again.
    if let Some(old) = session.get::<String>("login").await? {
        sqlx::query("DELETE FROM login WHERE id = ?").bind(old).execute(&app.db).await?;
    }
    session.cycle_id().await?;
    let id = uuid::Uuid::new_v4().to_string();
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    sqlx::query("INSERT INTO login VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&id)
        .bind(claims.subject().as_str())
        .bind(sid(&id_token.to_string())?)
        .bind(agent.unwrap_or("unknown device"))
        .bind(now())
        .bind(now())
        .bind(tokens.access_token().secret())
        .bind(tokens.refresh_token().map(RefreshToken::secret))
        .bind(id_token.to_string())
        .bind(now() + tokens.expires_in().map_or(3600, |span| span.as_secs() as i64))
        .execute(&app.db)
        .await?;
    session.insert("login", id).await?;
    Ok(Redirect::to("/"))
}

/// The provider's session, which is no standard claim of the library's ID token.
fn sid(verified: &str) -> anyhow::Result<Option<String>> {
    let payload = verified.split('.').nth(1).context("no payload")?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload)?;
    let claims: serde_json::Value = serde_json::from_slice(&claims)?;
    Ok(claims["sid"].as_str().map(str::to_owned))
}

// == call with a renewed token
async fn me(State(app): State<App>, login: Login) -> Result<String, AppError> {
    let token = app.access_token(login).await?;
    let answer = app.http.get(format!("{API}/me")).bearer_auth(token).send().await?;
    Ok(answer.error_for_status()?.text().await?)
}

impl App {
    async fn access_token(&self, login: Login) -> anyhow::Result<String> {
        if login.expires_at > now() + 60 {
            return Ok(login.access_token);
        }
        // In a task, so that a browser that hangs up does not lose a rotated token.
        let app = self.clone();
        tokio::spawn(async move { app.renew(&login.id).await }).await?
    }

    /// Renews the tokens of a login, once for all requests of this process.
    async fn renew(&self, id: &str) -> anyhow::Result<String> {
        let lock = Arc::clone(self.renewals.lock().unwrap().entry(id.to_owned()).or_default());
        let _guard = lock.lock().await;
        let find = sqlx::query_as("SELECT * FROM login WHERE id = ?").bind(id);
        let login: Login = find.fetch_one(&self.db).await?;
        if login.expires_at > now() + 60 {
            return Ok(login.access_token);
        }
        let sent = RefreshToken::new(login.refresh_token.context("sign in again")?);
        let request = self.oidc.exchange_refresh_token(&sent)?;
        let tokens = match request.request_async(&self.http).await {
            Ok(tokens) => tokens,
            Err(RequestTokenError::ServerResponse(answer))
                if *answer.error() == CoreErrorResponseType::InvalidGrant =>
            {
                sqlx::query("DELETE FROM login WHERE id = ?").bind(id).execute(&self.db).await?;
                anyhow::bail!("the provider refused the refresh token")
            }
            Err(error) => return Err(error.into()),
        };
        let renewed =
            "UPDATE login SET access_token = ?, refresh_token = ?, expires_at = ? WHERE id = ?";
        sqlx::query(renewed)
            .bind(tokens.access_token().secret())
            .bind(tokens.refresh_token().unwrap_or(&sent).secret())
            .bind(now() + tokens.expires_in().map_or(3600, |span| span.as_secs() as i64))
            .bind(id)
            .execute(&self.db)
            .await?;
        Ok(tokens.access_token().secret().clone())
    }
}

// == list of devices
async fn devices(State(app): State<App>, login: Login) -> Result<Html<String>, AppError> {
    let list = "SELECT * FROM login WHERE user_id = ? ORDER BY created_at DESC";
    let list = sqlx::query_as(list).bind(&login.user_id).fetch_all(&app.db).await?;
    let mut page = "<h1>Your devices</h1><ul>".to_owned();
    for Login { id, device, last_seen_at, .. } in list {
        let (device, mark) =
            (html_escape::encode_text(&device), if id == login.id { "this device" } else { "" });
        let minutes = (now() - last_seen_at) / 60;
        page += &format!(
            "<li>{device} {mark}, last seen {minutes} minutes ago
             <form method=post action=/devices/end><button name=id value={id}>Sign out</button></form>"
        );
    }
    page += "</ul><form method=post action=/devices/end-others><button>Sign out all others</button></form>
             <form method=post action=/logout><button>Sign out</button></form>";
    Ok(Html(page))
}

// == end one
#[derive(Deserialize)]
struct EndForm {
    id: String,
}

async fn end_one(
    State(app): State<App>,
    login: Login,
    Form(form): Form<EndForm>,
) -> Result<Redirect, AppError> {
    let end = sqlx::query("DELETE FROM login WHERE id = ? AND user_id = ?");
    end.bind(form.id).bind(login.user_id).execute(&app.db).await?;
    Ok(Redirect::to("/devices"))
}

// == end all others
async fn end_others(State(app): State<App>, login: Login) -> Result<Redirect, AppError> {
    let end = sqlx::query("DELETE FROM login WHERE user_id = ? AND id <> ?");
    end.bind(login.user_id).bind(login.id).execute(&app.db).await?;
    Ok(Redirect::to("/devices"))
}

// == sign-out at the provider
async fn logout(
    State(app): State<App>,
    session: Session,
    login: Login,
) -> Result<Redirect, AppError> {
    sqlx::query("DELETE FROM login WHERE id = ?").bind(login.id).execute(&app.db).await?;
    session.flush().await?;
    let Some(end) = &app.metadata.additional_metadata().end_session_endpoint else {
        return Ok(Redirect::to("/"));
    };
    let mut url = end.url().clone();
    url.query_pairs_mut()
        .append_pair("id_token_hint", &login.id_token)
        .append_pair("post_logout_redirect_uri", SITE);
    Ok(Redirect::to(url.as_str()))
}

// == back-channel logout
#[derive(Deserialize)]
struct LogoutForm {
    logout_token: String,
}

#[derive(Deserialize)]
struct LogoutClaims {
    sub: Option<String>,
    sid: Option<String>,
    nonce: Option<String>,
    events: HashMap<String, serde_json::Value>,
}

async fn back_channel_logout(
    State(app): State<App>,
    Form(form): Form<LogoutForm>,
) -> Result<StatusCode, AppError> {
    let Ok(claims) = app.verify(&form.logout_token).await else {
        return Ok(StatusCode::BAD_REQUEST);
    };
    match (claims.sid, claims.sub) {
        (Some(sid), _) => sqlx::query("DELETE FROM login WHERE sid = ?").bind(sid),
        (None, Some(sub)) => sqlx::query("DELETE FROM login WHERE user_id = ?").bind(sub),
        (None, None) => return Ok(StatusCode::BAD_REQUEST),
    }
    .execute(&app.db)
    .await?;
    Ok(StatusCode::OK)
}

impl App {
    async fn verify(&self, token: &str) -> anyhow::Result<LogoutClaims> {
        let kid = jsonwebtoken::decode_header(token)?.kid.context("no key id")?;
        let keys = self.http.get(self.metadata.jwks_uri().as_str()).send().await?;
        let keys: JwkSet = keys.error_for_status()?.json().await?;
        let key = DecodingKey::from_jwk(keys.find(&kid).context("unknown key")?)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[self.metadata.issuer().as_str()]);
        validation.set_audience(&[self.oidc.client_id().as_str()]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        let claims = jsonwebtoken::decode::<LogoutClaims>(token, &key, &validation)?.claims;
        let event = "http://schemas.openid.net/event/backchannel-logout";
        ensure!(claims.events.contains_key(event) && claims.nonce.is_none(), "not a logout token");
        Ok(claims)
    }
}

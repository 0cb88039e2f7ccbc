//! A migrated database of Open WebUI, and browsers that still have its cookies.

use identity_provider::{Client, IdentityProvider, RunningProvider};
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use sea_orm_migration::sea_orm::{ConnectionTrait as _, Database};
use serde_json::Value;
use session_core::clock::{Clock as _, SystemClock};
use session_core::{Keyring, Timestamp, UserId};
use session_migrate::source::{Cell, Codecs, Preset, SourceKeys, TokenCodec as _, codec::Fernet};
use session_migrate::{Approval, Layout, Move, MoveOptions};
use std::fs::File;

use crate::browser::Browser;
use crate::program::{Copy, Directory, devices};

const SOURCE_KEY: &str = "the key of the old application";
const KEYS: &str = "moved:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PHONE: &str = "0b6f1c9e-8f0a-4d3b-9a55-6f2d1f6f7a01";
const LAPTOP: &str = "5d2f4c11-3c77-4f0e-8e43-2a9b8c7d6e02";

const TABLES: [&str; 3] = [
    "CREATE TABLE user (id TEXT NOT NULL PRIMARY KEY)",
    "CREATE TABLE oauth_session (id TEXT NOT NULL, user_id TEXT NOT NULL, provider TEXT NOT NULL, \
     token TEXT NOT NULL, expires_at BIGINT NOT NULL, created_at BIGINT NOT NULL, \
     updated_at BIGINT NOT NULL, PRIMARY KEY (id), UNIQUE (id), \
     FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE)",
    "INSERT INTO user VALUES ('alice')",
];

async fn provider() -> RunningProvider {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = IdentityProvider::builder().client(Client::devices()).auto_login(true);
    provider.build().unwrap().spawn(listener).unwrap()
}

/// Returns a token response, as the old application got it when Alice signed in.
async fn token_response(issuer: &str) -> Value {
    let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    // The example of RFC 7636.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let back = "http://127.0.0.1/callback";
    let authorize = format!(
        "{issuer}/authorize?response_type=code&client_id=devices&redirect_uri={back}&scope=openid\
         &state=s&nonce=n&code_challenge={challenge}&code_challenge_method=S256&login_hint=alice"
    );
    let answer = http.get(authorize).send().await.unwrap();
    let landed = reqwest::Url::parse(answer.headers()[LOCATION].to_str().unwrap()).unwrap();
    let code = landed.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", back),
        ("code_verifier", verifier),
    ];
    let request =
        http.post(format!("{issuer}/token")).basic_auth("devices", Some("devices-secret"));
    request.form(&form).send().await.unwrap().json().await.unwrap()
}

/// Creates Open WebUI's database with two browsers of Alice, and returns their access tokens.
async fn build(url: &str, issuer: &str) -> [String; 2] {
    let database = Database::connect(format!("{url}?mode=rwc")).await.unwrap();
    for statement in TABLES {
        database.execute_unprepared(statement).await.unwrap();
    }
    let now = u64::try_from(SystemClock::new().now().as_millis() / 1000).unwrap();
    let mut access = Vec::new();
    for (id, created) in [(PHONE, now - 60), (LAPTOP, now - 30)] {
        let mut response = token_response(issuer).await;
        let expires = now + response["expires_in"].as_u64().unwrap();
        response["expires_at"] = expires.into();
        access.push(response["access_token"].as_str().unwrap().to_owned());
        let codec = Fernet::new(&SourceKeys::new(SOURCE_KEY)).unwrap();
        let json = response.to_string();
        let empty = Cell::Text(String::new());
        let token = codec.seal(json.as_bytes(), &empty, Timestamp::from_millis(0)).unwrap();
        let token = token.as_text().unwrap().into_owned();
        let row = format!("'{id}', 'alice', 'oidc', '{token}', {expires}, {created}, {created}");
        let insert = format!("INSERT INTO oauth_session VALUES ({row})");
        database.execute_unprepared(&insert).await.unwrap();
    }
    database.close().await.unwrap();
    access.try_into().unwrap()
}

async fn moved(url: &str) {
    let preset: Preset = "openwebui".parse().unwrap();
    let options = MoveOptions::new(url, Layout::Preset(preset))
        .codecs(Codecs::new(SourceKeys::new(SOURCE_KEY)))
        .keyring(Keyring::parse(KEYS).unwrap());
    let moving = Move::new(options);
    let digest = moving.plan().await.unwrap().digest;
    moving.apply(Approval::Plan(digest)).await.unwrap();
}

/// Starts the application on the migrated database, with the old cookie name.
fn serve(directory: &Directory, url: &str, issuer: &str) -> Copy {
    let log = File::create(directory.path().join("log")).unwrap();
    let joined =
        ["--issuer", issuer, "--client-id", "devices", "--client-secret", "devices-secret"];
    let named = ["--cookie-name", "oauth_session_id", "--provider-name", "oidc"];
    let mut command = devices(directory);
    command.args(["--listen", "127.0.0.1:0", "--database-url", url]).args(joined).args(named);
    command.env("SESSION_KEYS", KEYS).env("RUST_LOG", "debug,hyper=info").stderr(log);
    Copy::spawn(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_with_an_old_cookie_is_signed_in_immediately() {
    let directory = Directory::new();
    let url = format!("sqlite://{}", directory.path().join("webui.db").display());
    let provider = provider().await;
    let issuer = provider.issuer().as_str().trim_end_matches('/').to_owned();
    let [access, _] = build(&url, &issuer).await;
    moved(&url).await;
    let copy = serve(&directory, &url, &issuer);
    let at = |path: &str| format!("{}{path}", copy.address);

    let phone = Browser::new();
    let old = format!("oauth_session_id={PHONE}");
    let first = phone.send_with(Method::GET, &at("/api/me"), ["cookie", &old]).await;
    assert_eq!(first.status(), StatusCode::OK);
    let replaced = first.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(replaced.starts_with("oauth_session_id=") && !replaced.contains(PHONE), "{replaced}");
    assert!(replaced.contains("HttpOnly") && replaced.contains("SameSite=Lax"), "{replaced}");
    let me: Value = first.json().await.unwrap();
    assert_eq!((&me["user"], &me["provider"]), (&"alice".into(), &"oidc".into()));
    let id = me["id"].as_str().unwrap();
    assert!(id != PHONE && id != LAPTOP, "the id is a cookie value");

    // From here on the browser has only the new cookie.
    assert_eq!(phone.session_id(&copy.address).await, id);
    let (status, tool) = phone.json(&at("/api/tool")).await;
    assert_eq!((status, &tool["sub"]), (StatusCode::OK, &"alice".into()), "{tool}");
    let (_, listed) = phone.json(&at("/api/sessions")).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let page = phone.get(&at("/")).await.text().await.unwrap();
    assert!(page.contains("Your devices") && page.contains("this device"), "{page}");
    assert!(page.contains("name=\"end\""), "the other device has a button: {page}");

    // The token is the one of the old application.
    let sessions = session_core::SessionManager::builder(
        session_core::store::sea_orm::SeaOrmStore::connect(&url).await.unwrap(),
    );
    let sessions = sessions.keyring(Keyring::parse(KEYS).unwrap()).start().await.unwrap();
    let token =
        sessions.access_token(&UserId::new("alice").unwrap(), id.parse().unwrap()).await.unwrap();
    assert_eq!(token.access_token(), access);

    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(!log.is_empty(), "nothing was logged");
    for (what, text) in [("page", page), ("list", listed.to_string()), ("log", log)] {
        for secret in [PHONE, LAPTOP, access.as_str()] {
            assert!(!text.contains(secret), "the {what} shows a cookie or a token");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_cookie_value_matches_no_session() {
    let directory = Directory::new();
    let url = format!("sqlite://{}", directory.path().join("webui.db").display());
    let provider = provider().await;
    let issuer = provider.issuer().as_str().trim_end_matches('/').to_owned();
    build(&url, &issuer).await;
    moved(&url).await;
    let copy = serve(&directory, &url, &issuer);
    let me = format!("{}/api/me", copy.address);
    for value in ["0b6f1c9e-8f0a-4d3b-9a55-6f2d1f6f7a99", "alice", ""] {
        let cookie = format!("oauth_session_id={value}");
        let answer = Browser::new().send_with(Method::GET, &me, ["cookie", &cookie]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{value}");
    }
}

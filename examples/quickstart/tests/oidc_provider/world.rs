//! The application's binary and the provider, each as a process.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The folder with the provider's program, whose packages scripts/test installs.
const PROVIDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oidc-provider");

/// The application and its provider.
pub(crate) struct World {
    pub(crate) site: String,
    pub(crate) issuer: String,
    provider: Child,
    application: Child,
    folder: Folder,
}

impl World {
    pub(crate) async fn start() -> Self {
        let [port, provider_port] = free_ports();
        let (site, issuer) =
            (format!("http://localhost:{port}"), format!("http://127.0.0.1:{provider_port}"));
        let folder = Folder::new();
        let provider = start_provider(&issuer, &site).await;
        let application = start_application(&issuer, &site, &folder.0).await;
        Self { site, issuer, provider, application, folder }
    }

    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Replaces the provider by one with new keys that knows no token.
    pub(crate) async fn restart_provider(&mut self) {
        self.provider.kill().await.unwrap();
        self.provider = start_provider(&self.issuer, &self.site).await;
    }

    /// Ends the application's process, and starts it again on its database.
    pub(crate) async fn restart_application(&mut self) {
        self.application.kill().await.unwrap();
        self.application = start_application(&self.issuer, &self.site, &self.folder.0).await;
    }

    /// Asks the provider's program about its tokens.
    pub(crate) async fn tokens(&self) -> serde_json::Value {
        tokens_of(&self.issuer).await
    }
}

pub(crate) async fn tokens_of(issuer: &str) -> serde_json::Value {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(format!("{issuer}/test/tokens")).send().await.unwrap().json().await.unwrap()
}

async fn start_provider(issuer: &str, site: &str) -> Child {
    start_provider_with(issuer, site, "on").await
}

/// Starts the provider, which knows proofs (DPoP): `on`, `off`, or with a `nonce` only.
pub(crate) async fn start_provider_with(issuer: &str, site: &str, proofs: &str) -> Child {
    let installed = Path::new(PROVIDER).join("node_modules/oidc-provider");
    assert!(installed.exists(), "oidc-provider is not installed: run scripts/oidc-provider");
    let port = issuer.rsplit(':').next().unwrap();
    let mut provider = Command::new("node")
        .args(["provider.mjs", port, site])
        .current_dir(PROVIDER)
        .env("DPOP", proofs)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node runs the provider");
    let out = provider.stdout.take().unwrap();
    let mut lines = BufReader::new(out).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.starts_with("listening") {
            // What it prints later must not meet a closed pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return provider;
        }
    }
    panic!("the provider did not start");
}

async fn start_application(issuer: &str, site: &str, folder: &Path) -> Child {
    let mut application = Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .current_dir(folder)
        .env("PORT", site.rsplit(':').next().unwrap())
        .env("OKTA_ISSUER", issuer)
        .env("OKTA_CLIENT_ID", "quickstart")
        .env("OKTA_CLIENT_SECRET", "quickstart-secret")
        .env("API", issuer)
        .env_remove("SESSION_KEYS")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let out = application.stdout.take().unwrap();
    let mut lines = BufReader::new(out).lines();
    let mut log = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        log.push_str(&line);
        // The last thing that it says before it serves.
        if line.contains("DEVELOPMENT") {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            assert!(log.contains("session.keys"), "the keys of a file are not said: {log}");
            return application;
        }
    }
    panic!("the application did not start: {log}");
}

/// Two ports of this machine that were free a moment ago.
pub(crate) fn free_ports() -> [u16; 2] {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    [bind(), bind()].map(|listener| listener.local_addr().unwrap().port())
}

/// An empty folder, as `cargo new` leaves it for the application, which is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("quickstart-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

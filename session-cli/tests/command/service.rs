//! A service whose sessions the command works on.

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use session_core::manager::{SignIn, SignedIn};
use session_core::provider::RevocationScope;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::{ScriptedProvider, sample};
use session_core::{Keyring, SessionManager, SessionPolicy, SessionStore};
use session_tests::database::Migrated;

pub(crate) const OLD: &str = "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const NEW: &str = "new:HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";
pub(crate) const OTHER: &str = "old:Dw4NDAsKCQgHBgUEAwIBAB8eHRwbGhkYFxYVFBMSERA=";

/// A service on a database, with the old key.
pub(crate) struct Service {
    url: String,
    pub(crate) manager: SessionManager,
    provider: ScriptedProvider,
}

impl Service {
    pub(crate) async fn new(database: &Migrated) -> Self {
        let store: Arc<dyn SessionStore> =
            Arc::new(SeaOrmStore::connect(database.url()).await.unwrap());
        let provider = ScriptedProvider::new().with_revocation_scope(RevocationScope::Token);
        let keys = Keyring::parse(&format!("{OLD},{NEW}")).unwrap();
        let policy = SessionPolicy::builder().min_renewal_interval(Duration::ZERO).build().unwrap();
        let manager = SessionManager::builder(store).policy(policy).keyring(keys);
        let manager = manager.provider("*", provider.clone());
        let manager = manager.start().await.unwrap();
        Self { url: database.url().to_owned(), manager, provider }
    }

    pub(crate) async fn sign_in(&self, user: &str) -> SignedIn {
        let (user, okta) = (sample::user(user), sample::provider("okta"));
        self.manager.sign_in(SignIn::new(&user, &okta, self.provider.sign_in())).await.unwrap()
    }

    pub(crate) fn command(&self, keys: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessions"));
        command
            .arg("--json")
            .args(arguments)
            .env("DATABASE_URL", &self.url)
            .env("SESSION_KEYS", keys);
        command
    }

    pub(crate) fn run(&self, keys: &str, arguments: &[&str]) -> (Option<i32>, Value) {
        let Output { status, stdout, stderr } = self.command(keys, arguments).output().unwrap();
        let printed = String::from_utf8(stdout).unwrap();
        let logged = String::from_utf8(stderr).unwrap();
        assert!(!printed.contains("AAECAw") && !logged.contains("AAECAw"), "{printed}{logged}");
        let json = serde_json::from_str(&printed);
        (status.code(), json.unwrap_or_else(|_| panic!("{arguments:?}: {printed}{logged}")))
    }

    pub(crate) fn succeeds(&self, arguments: &[&str]) -> Value {
        let (code, json) = self.run(OLD, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {json}");
        json
    }
}

//! What the steps work with: the copies, the devices and the provider.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use identity_provider::Control;
use session_core::{Session, SessionManager, SessionPolicy, Timestamp, UserId};

use super::browser::Browser;
use super::directory::{Directory, random_name};
use super::step_error::StepError;
use crate::app::App;
use crate::database::DatabaseUrl;
use crate::keys::KeySource;
use crate::listener::Listen;
use crate::settings::{CookieSettings, ProviderChoice, Settings};
use crate::startup_error::StartupError;

/// The maximum number of devices per user.
pub(super) const MAX_SESSIONS: u32 = 10;

/// The time within which one copy notices what another one ended.
pub(super) const MAX_STALENESS: Duration = Duration::from_millis(500);

/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(20);

/// The copies, the devices and the provider.
pub(super) struct Scenario {
    first: Option<App>,
    second: Option<App>,
    /// The settings of the first copy.
    pub(super) settings: Settings,
    /// The control handle of the built-in provider.
    pub(super) provider: Control,
    devices: BTreeMap<&'static str, Browser>,
    /// When the tokens of the first devices expire.
    pub(super) first_tokens_expire_at: Timestamp,
    /// Sessions that a later step compares with.
    pub(super) before: BTreeMap<&'static str, Session>,
    /// Makes the user names of this run unique.
    run: String,
    _directory: Option<Directory>,
}

impl Scenario {
    /// Starts the first copy, on this database or on a new SQLite file.
    pub(super) async fn start(database: Option<DatabaseUrl>) -> Result<Self, StartupError> {
        let directory = if database.is_none() { Some(Directory::new()?) } else { None };
        let path = directory.as_ref().map_or(Path::new(""), Directory::path);
        let database = database.unwrap_or_else(|| DatabaseUrl::file_in(path));
        let settings = settings(database, KeySource::from_environment(path))?;
        let first = App::start(settings.clone()).await?;
        let provider = first.provider().map(|provider| provider.control().clone());
        let no_provider = || StartupError::start("the built-in provider is missing");
        let no_name = |error| StartupError::caused_by("cannot create a random name", error);
        Ok(Self {
            provider: provider.ok_or_else(no_provider)?,
            first: Some(first),
            second: None,
            settings,
            devices: BTreeMap::new(),
            first_tokens_expire_at: Timestamp::default(),
            before: BTreeMap::new(),
            run: random_name("run").map_err(no_name)?,
            _directory: directory,
        })
    }

    /// Returns the first copy.
    pub(super) fn app(&self) -> Result<&App, StepError> {
        self.first.as_ref().ok_or_else(|| StepError::new("the first copy was stopped"))
    }

    /// Takes the first copy out, for the step that stops it.
    pub(super) fn take_app(&mut self) -> Result<App, StepError> {
        self.first.take().ok_or_else(|| StepError::new("the first copy was stopped"))
    }

    pub(super) fn manager(&self) -> Result<&SessionManager, StepError> {
        self.app().map(App::manager)
    }

    /// Returns the address of the first copy.
    pub(super) fn copy(&self) -> Result<String, StepError> {
        self.app().map(|app| format!("http://{}", app.address()))
    }

    /// Returns the address of the second copy.
    pub(super) fn second_copy(&self) -> Result<String, StepError> {
        let second = self.second.as_ref().ok_or_else(|| StepError::new("there is no second copy"));
        second.map(|app| format!("http://{}", app.address()))
    }

    /// Adds the second copy.
    pub(super) fn join(&mut self, second: App) {
        self.second = Some(second);
    }

    /// Returns a user name that is unique to this run.
    pub(super) fn user(&self, name: &str) -> String {
        format!("{name}-{}", self.run)
    }

    /// Creates a device and signs it in at the first copy.
    pub(super) async fn sign_in(
        &mut self,
        device: &'static str,
        user: &str,
    ) -> Result<Browser, StepError> {
        let browser = Browser::signed_in(&self.copy()?, &self.user(user)).await?;
        self.devices.insert(device, browser.clone());
        Ok(browser)
    }

    /// Returns a device that signed in earlier.
    pub(super) fn device(&self, name: &str) -> Result<Browser, StepError> {
        let device = self.devices.get(name).cloned();
        device.ok_or_else(|| StepError::new(format!("there is no {name}")))
    }

    /// Returns the live sessions of a user from the store.
    pub(super) async fn sessions(&self, user: &str) -> Result<Vec<Session>, StepError> {
        let user = UserId::new(self.user(user))?;
        let listed = self.manager()?.list(&user, None).await?;
        Ok(listed.into_iter().map(|listed| listed.session).collect())
    }

    /// Waits until the clock of the copies reaches this time.
    pub(super) async fn until(&self, moment: Timestamp) -> Result<(), StepError> {
        while self.manager()?.now() < moment {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Shuts all copies down.
    pub(super) async fn shutdown(self) {
        for app in [self.second, self.first].into_iter().flatten() {
            app.shutdown().await;
        }
    }
}

fn settings(database: DatabaseUrl, keys: KeySource) -> Result<Settings, StartupError> {
    let policy = SessionPolicy::builder()
        .max_sessions(MAX_SESSIONS)
        .max_staleness(MAX_STALENESS)
        .rule(session_core::policy::Rule::for_provider("mcp:*").replace())
        .build()
        .map_err(|error| StartupError::caused_by("the policy of the check is invalid", error))?;
    Ok(Settings {
        listen: Listen::ANYWHERE,
        keys,
        database,
        provider: ProviderChoice::BuiltIn {
            listen: Listen::ANYWHERE,
            access_token_lifetime: Duration::from_secs(300),
            auto_login: true,
        },
        policy,
        provider_name: None,
        cookie: CookieSettings { name: None },
    })
}

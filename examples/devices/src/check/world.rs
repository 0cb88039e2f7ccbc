//! What the story happens in.

use std::collections::BTreeMap;
use std::time::Duration;

use identity_provider::Control;
use session_core::{Session, SessionManager, SessionPolicy, Timestamp, UserId};

use super::browser::Browser;
use super::directory::Directory;
use super::problem::Problem;
use crate::app::App;
use crate::database::DatabaseUrl;
use crate::failure::Failure;
use crate::keys::{KeySource, random_name};
use crate::listener::Listen;
use crate::settings::{CookieSettings, ProviderChoice, Settings};

/// How many devices a user of the story may have.
pub(super) const MAX_SESSIONS: u32 = 10;

/// Within which time one copy's end is the other's.
pub(super) const MAX_STALENESS: Duration = Duration::from_millis(500);

/// Between two looks at whether something has happened.
const PAUSE: Duration = Duration::from_millis(20);

/// The copies, the devices and the provider of the story.
pub(super) struct World {
    first: Option<App>,
    second: Option<App>,
    /// What the first copy was started with.
    pub(super) settings: Settings,
    /// The provider, from inside.
    pub(super) provider: Control,
    devices: BTreeMap<&'static str, Browser>,
    /// When the first devices' tokens have expired.
    pub(super) first_tokens_expire_at: Timestamp,
    /// What a later step compares with.
    pub(super) before: BTreeMap<&'static str, Session>,
    /// Makes the names of this run's users.
    run: String,
    _directory: Option<Directory>,
}

impl World {
    /// A first copy, on this database or on an SQLite file of its own.
    pub(super) async fn begin(database: Option<DatabaseUrl>) -> Result<Self, Failure> {
        let directory = if database.is_none() { Some(Directory::new()?) } else { None };
        let in_directory = |directory: &Directory| {
            DatabaseUrl::sqlite_file(&directory.path().join("devices.sqlite"))
        };
        let own = directory.as_ref().map(in_directory);
        let database = database.or(own).unwrap_or_else(DatabaseUrl::in_working_directory);
        let settings = settings(database)?;
        let first = App::start(settings.clone()).await?;
        let provider = first.provider().map(|provider| provider.control().clone());
        let no_provider = || Failure::start("there is no built-in provider");
        let no_name = |error| Failure::caused_by("there are no names", error);
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

    /// The first copy.
    pub(super) fn app(&self) -> Result<&App, Problem> {
        self.first.as_ref().ok_or_else(|| Problem::new("the first copy is gone"))
    }

    /// The first copy, for the step that stops it.
    pub(super) fn take_app(&mut self) -> Result<App, Problem> {
        self.first.take().ok_or_else(|| Problem::new("the first copy is gone"))
    }

    pub(super) fn manager(&self) -> Result<&SessionManager, Problem> {
        self.app().map(App::manager)
    }

    /// The first copy's address.
    pub(super) fn copy(&self) -> Result<String, Problem> {
        self.app().map(|app| format!("http://{}", app.address()))
    }

    /// The second copy's address.
    pub(super) fn second_copy(&self) -> Result<String, Problem> {
        let second = self.second.as_ref().ok_or_else(|| Problem::new("there is no second copy"));
        second.map(|app| format!("http://{}", app.address()))
    }

    /// Takes the second copy in.
    pub(super) fn join(&mut self, second: App) {
        self.second = Some(second);
    }

    /// The name of a user whom no other run knows.
    pub(super) fn user(&self, name: &str) -> String {
        format!("{name}-{}", self.run)
    }

    /// A new device of a user, signed in at the first copy.
    pub(super) async fn sign_in(
        &mut self,
        device: &'static str,
        user: &str,
    ) -> Result<Browser, Problem> {
        let browser = Browser::signed_in(&self.copy()?, &self.user(user)).await?;
        self.devices.insert(device, browser.clone());
        Ok(browser)
    }

    /// A device that signed in before.
    pub(super) fn device(&self, name: &str) -> Result<Browser, Problem> {
        let device = self.devices.get(name).cloned();
        device.ok_or_else(|| Problem::new(format!("there is no {name}")))
    }

    /// The live sessions of a user, as the store has them.
    pub(super) async fn sessions(&self, user: &str) -> Result<Vec<Session>, Problem> {
        let user = UserId::new(self.user(user))?;
        let listed = self.manager()?.list(&user, None).await?;
        Ok(listed.into_iter().map(|listed| listed.session).collect())
    }

    /// Waits until it is this late by the copies' clock.
    pub(super) async fn until(&self, moment: Timestamp) -> Result<(), Problem> {
        while self.manager()?.now() < moment {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Lets everything come to its end.
    pub(super) async fn end(self) {
        for app in [self.second, self.first].into_iter().flatten() {
            app.shutdown().await;
        }
    }
}

fn settings(database: DatabaseUrl) -> Result<Settings, Failure> {
    let policy = SessionPolicy::builder()
        .max_sessions(MAX_SESSIONS)
        .max_staleness(MAX_STALENESS)
        .rule(session_core::policy::Rule::for_provider("mcp:*").replace())
        .build()
        .map_err(|error| Failure::caused_by("the check's policy cannot be meant", error))?;
    Ok(Settings {
        listen: Listen::ANYWHERE,
        keys: KeySource::from_environment(&database.directory())?,
        database,
        provider: ProviderChoice::BuiltIn {
            listen: Listen::ANYWHERE,
            access_token_lifetime: Duration::from_secs(300),
            auto_login: true,
        },
        policy,
        provider_name: None,
        cookie: CookieSettings { name: None, is_secure: true },
    })
}

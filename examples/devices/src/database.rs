//! The database: its tables, and the session store on it.

use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use session_core::SessionStore;
use session_core::store::sea_orm::SeaOrmStore;

use crate::startup_error::StartupError;

/// The address of a database. It may contain a password, which is never printed.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseUrl(SecretString);

impl DatabaseUrl {
    /// The SQLite file `devices.sqlite` in this directory, created if it is missing.
    pub(crate) fn file_in(directory: &Path) -> Self {
        let file = directory.join("devices.sqlite");
        Self(format!("sqlite:{}?mode=rwc", file.display()).into())
    }

    /// Parses an address; the error says what is wrong, without repeating it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let is_of = |scheme| text.starts_with(scheme);
        if is_of("sqlite:") && (text.contains(":memory:") || text.contains("mode=memory")) {
            return Err("must be a file: a database in memory cannot be shared by connections");
        }
        match ["sqlite:", "postgres://", "postgresql://", "mysql://"].into_iter().any(is_of) {
            true => Ok(Self(text.into())),
            false => Err("must begin with sqlite:, postgres:// or mysql://"),
        }
    }

    /// Creates missing tables and opens the store. Several copies may do this at once.
    pub(crate) async fn open(&self) -> Result<Arc<dyn SessionStore>, StartupError> {
        let url = self.0.expose_secret();
        session_migrate::up(url).await.map_err(|error| {
            let what = "cannot create the tables of the database (--database-url)";
            StartupError::caused_by(what, error)
        })?;
        let store = SeaOrmStore::connect(url).await.map_err(|error| {
            StartupError::caused_by("cannot open the database (--database-url)", error)
        })?;
        Ok(Arc::new(store))
    }
}

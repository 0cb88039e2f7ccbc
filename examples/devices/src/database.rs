//! The database: its address, its tables, and the session store on it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use session_core::SessionStore;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::store::{StoreError, StoreErrorKind};
use url::Url;

use crate::startup_error::StartupError;

/// How often opening is tried while other copies open the same database.
const MAX_ATTEMPTS: u32 = 100;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// The address of a database. It may contain a password, which is never printed.
#[derive(Clone)]
pub(crate) struct DatabaseUrl {
    text: SecretString,
    file: Option<PathBuf>,
}

impl DatabaseUrl {
    /// The SQLite file `devices.sqlite` in the working directory.
    pub(crate) fn in_working_directory() -> Self {
        Self::sqlite_file(Path::new("devices.sqlite"))
    }

    /// An SQLite file, created if it is missing.
    pub(crate) fn sqlite_file(file: &Path) -> Self {
        let path = file.display().to_string();
        let path = percent_encoding::utf8_percent_encode(&path, IN_A_PATH);
        let text = SecretString::from(format!("sqlite:{path}?mode=rwc"));
        Self { text, file: Some(file.to_owned()) }
    }

    /// Parses an address; the error says what is wrong, without repeating it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(rest) = text.strip_prefix("sqlite:") {
            return Self::parse_sqlite(rest.strip_prefix("//").unwrap_or(rest));
        }
        // One driver serves both, under the name `mysql`.
        let text = match text.strip_prefix("mariadb:") {
            Some(rest) => format!("mysql:{rest}"),
            None => text.to_owned(),
        };
        let url = Url::parse(&text).map_err(|_| UNKNOWN)?;
        match url.scheme() {
            "postgres" | "postgresql" | "mysql" if url.has_host() => {
                Ok(Self { text: SecretString::from(text), file: None })
            }
            "postgres" | "postgresql" | "mysql" => Err("must name a host"),
            _ => Err(UNKNOWN),
        }
    }

    fn parse_sqlite(rest: &str) -> Result<Self, &'static str> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let has = |wanted: &str| query.split('&').any(|pair| pair.starts_with(wanted));
        if path.is_empty() {
            return Err("must name a file");
        }
        // Every connection of the pool would get a separate database.
        if path == ":memory:" || has("mode=memory") {
            return Err("must be a file: a database in memory cannot be shared by connections");
        }
        let file = percent_decode_str(path).decode_utf8().map_err(|_| "must be UTF-8")?;
        let mode = match (has("mode="), query.is_empty()) {
            (true, _) => "",
            (false, true) => "mode=rwc",
            (false, false) => "&mode=rwc",
        };
        let text = SecretString::from(format!("sqlite:{path}?{query}{mode}"));
        Ok(Self { text, file: Some(PathBuf::from(&*file)) })
    }

    /// The directory of the database file; the working directory for a server.
    pub(crate) fn directory(&self) -> PathBuf {
        let parent = self.file.as_deref().and_then(Path::parent);
        parent.map(Path::to_owned).unwrap_or_default()
    }

    /// Creates missing tables and opens the store. Several copies may do this at once.
    pub(crate) async fn open(&self) -> Result<Arc<dyn SessionStore>, StartupError> {
        session_migrate::up(self.text.expose_secret())
            .await
            .map_err(|error| self.error("cannot create the tables of the database", &error))?;
        let store = self.connect().await;
        let store = store.map_err(|error| self.error("cannot open the database", &error))?;
        Ok(Arc::new(store))
    }

    /// Retries: while one copy changes SQLite's journal mode, another one fails instead of waiting.
    async fn connect(&self) -> Result<SeaOrmStore, StoreError> {
        let mut attempts = 1;
        loop {
            match SeaOrmStore::connect(self.text.expose_secret()).await {
                Err(error)
                    if error.kind() == StoreErrorKind::Contended && attempts < MAX_ATTEMPTS =>
                {
                    attempts += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                connected => return connected,
            }
        }
    }

    /// Builds an error whose causes do not contain the password.
    fn error(&self, what: &str, error: &dyn std::error::Error) -> StartupError {
        let mut causes = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes = format!("{causes}: {error}");
            cause = error.source();
        }
        StartupError::caused_by(format!("{what} (--database-url)"), self.without_password(&causes))
    }

    fn without_password(&self, text: &str) -> String {
        let address = self.text.expose_secret();
        let text = text.replace(address, "the address");
        let url = Url::parse(address).ok();
        let password = url.as_ref().and_then(Url::password).unwrap_or_default();
        let decoded = percent_decode_str(password).decode_utf8_lossy();
        match password.is_empty() {
            true => text,
            false => text.replace(password, "***").replace(&*decoded, "***"),
        }
    }
}

const UNKNOWN: &str = "must begin with sqlite:, postgres:// or mysql://";

/// The characters that must be percent-encoded in the path.
const IN_A_PATH: &percent_encoding::AsciiSet =
    &percent_encoding::CONTROLS.add(b'?').add(b'#').add(b'%').add(b' ');

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseUrl").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(url: &str) -> String {
        DatabaseUrl::parse(url).unwrap().text.expose_secret().to_owned()
    }

    #[test]
    fn an_sqlite_file_is_created_unless_another_mode_is_asked_for() {
        assert_eq!(text("sqlite:a.db"), "sqlite:a.db?mode=rwc");
        assert_eq!(text("sqlite:///tmp/a.db"), "sqlite:/tmp/a.db?mode=rwc");
        assert_eq!(text("sqlite://a.db?mode=rw"), "sqlite:a.db?mode=rw");
        assert_eq!(text("sqlite:a.db?cache=shared"), "sqlite:a.db?cache=shared&mode=rwc");
    }

    #[test]
    fn servers_are_recognised_by_their_scheme() {
        assert_eq!(text("postgres://u:p@h/d"), "postgres://u:p@h/d");
        assert_eq!(text("mariadb://u:p@h/d"), "mysql://u:p@h/d");
        for url in ["", "redis://h/0", "postgres:", "sqlite:", "sqlite::memory:", "devices.sqlite"]
        {
            assert!(DatabaseUrl::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn keys_are_kept_in_the_directory_of_the_file() {
        let directory = |url| DatabaseUrl::parse(url).unwrap().directory();
        assert_eq!(directory("sqlite:///var/lib/a.db"), Path::new("/var/lib"));
        assert_eq!(directory("sqlite:some%20where/a.db"), Path::new("some where"));
        assert_eq!(directory("sqlite:a.db"), Path::new(""));
        assert_eq!(directory("postgres://h/d"), Path::new(""));
    }

    #[test]
    fn a_password_is_never_printed() {
        let url = DatabaseUrl::parse("postgres://u:hunt%21er2@h/d").unwrap();
        assert!(!format!("{url:?}").contains("hunt"));
        let said = "cannot use postgres://u:hunt%21er2@h/d: hunt!er2 was refused";
        assert_eq!(url.without_password(said), "cannot use the address: *** was refused");
    }
}

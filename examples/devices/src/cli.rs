//! What can be typed, and what is made of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use session_core::policy::{OnFull, Rule};
use session_core::{ProviderName, SessionPolicy};
use session_tower::SessionCookie;

use crate::database::DatabaseUrl;
use crate::failure::Failure;
use crate::keys::KeySource;
use crate::listener::Listen;
use crate::settings::{CookieSettings, ProviderChoice, Settings};

/// A web page of the user's devices: each signs in by itself, and each can be signed out by itself.
///
/// Sealing keys come from the variable SESSION_KEYS (id:base64 of 32 bytes, parted by commas; the
/// first one seals), else from the file devices.keys beside the SQLite file or in the working
/// directory, which the first start creates. Logs go to stderr, by RUST_LOG.
#[derive(Debug, Parser)]
#[command(name = "devices", version)]
pub(crate) struct Arguments {
    /// The address to listen on [default: 127.0.0.1:3000, or the next free port]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// sqlite:FILE, postgres://… or mysql://… [default: sqlite:devices.sqlite]
    #[arg(long, value_name = "URL", value_parser = secret)]
    database_url: Option<SecretString>,

    /// An OpenID Connect provider in place of the built-in one
    #[arg(long, value_name = "URL", requires = "client_id")]
    issuer: Option<String>,

    /// The client id at that provider
    #[arg(long, value_name = "ID", requires = "issuer")]
    client_id: Option<String>,

    /// The client's secret at that provider; none for a public client
    #[arg(long, value_name = "SECRET", requires = "issuer", value_parser = secret)]
    client_secret: Option<SecretString>,

    /// The provider's name in every session [default: builtin, or the issuer's host]
    ///
    /// What a migrated system calls it: moved sessions are renewed with the provider of their name.
    #[arg(long, value_name = "NAME")]
    provider_name: Option<String>,

    /// How many devices a user may have at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    max_sessions: u32,

    /// What one more sign-in does when every place is taken
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Full::EvictOldest)]
    on_full: Full,

    /// How long the built-in provider's access tokens are valid
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    access_token_seconds: u64,

    /// Within which time an end on one copy is an end on every other
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    max_staleness_ms: u64,

    /// The cookie of a migrated system: its UUIDs are accepted, and replaced at first use
    #[arg(long, value_name = "NAME")]
    cookie_name: Option<String>,

    /// A cookie without Secure and prefix, for plain http on loopback
    #[arg(long)]
    insecure_cookie: bool,

    /// The built-in provider signs in whoever login_hint names, without a form
    #[arg(long)]
    auto_login: bool,

    /// Plays the whole story by itself and says what held; only --database-url counts beside it
    #[arg(long)]
    pub(crate) check: bool,
}

/// What one more sign-in does when every place is taken.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Full {
    /// The device that signed in first leaves
    EvictOldest,
    /// The device that was not used for the longest time leaves
    EvictLru,
    /// The sign-in is refused
    Reject,
}

fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

impl Arguments {
    /// What this copy is to do, checked by itself and against the environment.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let database = self.database()?.unwrap_or_else(DatabaseUrl::in_working_directory);
        Ok(Settings {
            listen: self.listen.map_or(Listen::From(3000), Listen::At),
            keys: KeySource::from_environment(&database.directory())?,
            database,
            provider: self.provider()?,
            provider_name: self.provider_name()?,
            policy: self.policy()?,
            cookie: self.cookie()?,
        })
    }

    /// The database, if one was named.
    pub(crate) fn database(&self) -> Result<Option<DatabaseUrl>, Failure> {
        let Some(text) = &self.database_url else { return Ok(None) };
        let url = DatabaseUrl::parse(text.expose_secret());
        url.map(Some).map_err(|problem| Failure::usage("--database-url", problem))
    }

    fn provider_name(&self) -> Result<Option<ProviderName>, Failure> {
        let name = self.provider_name.as_deref().map(ProviderName::new).transpose();
        name.map_err(|error| Failure::usage("--provider-name", error))
    }

    fn provider(&self) -> Result<ProviderChoice, Failure> {
        let (Some(issuer), Some(client_id)) = (&self.issuer, &self.client_id) else {
            return Ok(ProviderChoice::BuiltIn {
                listen: Listen::From(3001),
                access_token_lifetime: Duration::from_secs(self.access_token_seconds),
                auto_login: self.auto_login,
            });
        };
        if client_id.trim().is_empty() {
            return Err(Failure::usage("--client-id", "must not be empty"));
        }
        let issuer = issuer.parse().map_err(|error| Failure::usage("--issuer", error))?;
        let client_secret = self.client_secret.clone();
        Ok(ProviderChoice::Outside { issuer, client_id: client_id.clone(), client_secret })
    }

    fn policy(&self) -> Result<SessionPolicy, Failure> {
        let on_full = match self.on_full {
            Full::EvictOldest => OnFull::EvictOldest,
            Full::EvictLru => OnFull::EvictLeastRecentlyUsed,
            Full::Reject => OnFull::Reject,
        };
        let mut policy = SessionPolicy::builder();
        if matches!(self.on_full, Full::EvictLru) {
            // What another copy served is known from the rows alone: here each use is written, for
            // people try this out within seconds.
            policy = policy.touch_interval(Duration::ZERO);
        }
        policy
            .max_sessions(self.max_sessions)
            .on_full(on_full)
            .max_staleness(Duration::from_millis(self.max_staleness_ms))
            .rule(Rule::for_provider("mcp:*").replace())
            .build()
            .map_err(|error| Failure::usage("--max-sessions, --max-staleness-ms", error))
    }

    fn cookie(&self) -> Result<CookieSettings, Failure> {
        let settings =
            CookieSettings { name: self.cookie_name.clone(), is_secure: !self.insecure_cookie };
        // Built once here, so that a bad name is an error before anything begins.
        let _: SessionCookie = settings.session_cookie()?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_second_copy_joins_the_firsts_provider() {
        let typed = "devices --issuer http://127.0.0.1:3001 --client-id devices --client-secret devices-secret";
        let arguments = Arguments::try_parse_from(typed.split(' ')).unwrap();
        assert!(!format!("{arguments:?}").contains("devices-secret"));
        assert!(matches!(arguments.provider().unwrap(), ProviderChoice::Outside { .. }));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for typed in [
            "--max-sessions 0",
            "--on-full explode",
            "--issuer http://127.0.0.1:3001",
            "--client-id devices",
            "--access-token-seconds 0",
            "--listen nowhere",
        ] {
            let words = std::iter::once("devices").chain(typed.split(' '));
            let error = Arguments::try_parse_from(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{typed}");
        }
    }

    #[test]
    fn a_bad_database_address_is_named_and_not_repeated() {
        let words = ["devices", "--database-url", "redis://u:hunter2@h/0"];
        let failure = Arguments::try_parse_from(words).unwrap().database().unwrap_err();
        assert_eq!(
            failure.to_string(),
            "--database-url: must begin with sqlite:, postgres:// or mysql://"
        );
    }
}

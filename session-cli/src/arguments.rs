//! The command line.

use std::convert::Infallible;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;
use session_core::session::Actor;
use session_core::{ProviderName, SessionId, UserId};

use crate::output::print_error;

/// Lists and ends sessions, seals them with a new key, and checks a deployment.
///
/// The sealing keys are read from SESSION_KEYS, as the service has them; the first one seals. Secrets
/// of providers are read from NAME_CLIENT_SECRET, with the provider's name in capitals.
///
/// Exit codes: 0 success, 1 failure or a finding of `doctor`, 2 wrong arguments.
#[derive(Debug, Parser)]
#[command(name = "sessions", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// sqlite://FILE, postgres://... or mysql://..., as the service has it
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_parser = secret, default_value = "", hide_default_value = true)]
    pub(crate) database: SecretString,

    /// The sealing keys: id:base64 of 32 bytes, separated by commas
    #[arg(long, global = true, env = "SESSION_KEYS", hide = true, hide_env_values = true, value_parser = secret)]
    pub(crate) keys: Option<SecretString>,

    /// A provider, for `revoke`; repeatable
    #[arg(long, global = true, value_name = "NAME=ISSUER,CLIENT_ID")]
    pub(crate) provider: Vec<ProviderArgument>,

    /// Prints JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) task: Task,
}

impl Arguments {
    /// Parses the command line, or prints why that fails, as JSON where that is asked for.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            // The arguments are not known, but whether this is one of them is.
            let is_json = std::env::args_os().any(|argument| argument == "--json");
            let text = error.render().to_string();
            match is_json && error.use_stderr() {
                true => print_error(text.trim_start_matches("error: ").trim_end(), true),
                false => drop(error.print()),
            }
            u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Lists the live sessions of a user
    List {
        /// The application's id of the user
        user: UserArgument,
    },
    /// Ends one session of a user
    End {
        /// The application's id of the user
        user: UserArgument,
        /// The session's id, as `list` prints it
        session: SessionId,
        #[command(flatten)]
        actor: ActorArgument,
    },
    /// Ends all sessions of a user, or those of one provider
    EndAll {
        /// The application's id of the user
        user: UserArgument,
        /// Only sessions of this provider
        #[arg(long = "of", value_name = "PROVIDER", value_parser = provider_name)]
        of: Option<ProviderName>,
        #[command(flatten)]
        actor: ActorArgument,
    },
    /// Lists what happened to the sessions of a user, and who ended them
    History {
        /// The application's id of the user
        user: UserArgument,
        /// How many days back
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
        /// How many events at most, the newest first
        #[arg(long, default_value_t = 1000)]
        limit: u64,
    },
    /// Counts sessions by provider and key, and pending revocations
    Stats,
    /// Deletes sessions that have ended, and events, that are older than this; ends none
    Purge {
        /// In days
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
        older_than: u32,
    },
    /// Seals with the first key what other keys have sealed; may be stopped and run again
    Reseal,
    /// Revokes tokens of ended sessions at their providers
    Revoke {
        /// How many at most
        #[arg(long, default_value_t = 1000)]
        limit: u64,
    },
    /// Checks the schema, the keys, the clock and the outbox
    Doctor,
}

/// Who ends sessions.
#[derive(Debug, Args)]
pub(crate) struct ActorArgument {
    /// Who ends them, for the audit trail; the operating system's user if it is not given
    #[arg(long, value_name = "NAME", value_parser = actor_name)]
    actor: Option<Actor>,
}

impl ActorArgument {
    /// Returns who it is, if that is known.
    pub(crate) fn into_actor(self) -> Option<Actor> {
        let of_system = || Actor::new(whoami::username().ok()?).ok();
        self.actor.or_else(of_system)
    }
}

/// The id of a user.
#[derive(Debug, Clone)]
pub(crate) struct UserArgument(pub(crate) UserId);

impl FromStr for UserArgument {
    type Err = session_core::session::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        UserId::new(text).map(Self)
    }
}

/// A provider that `revoke` asks.
#[derive(Debug, Clone)]
pub(crate) struct ProviderArgument {
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
}

impl FromStr for ProviderArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('=').and_then(|(name, rest)| {
            let (issuer, client_id) = rest.rsplit_once(',')?;
            Some((name, issuer, client_id))
        });
        let (name, issuer, client_id) = parts.ok_or("must be NAME=ISSUER,CLIENT_ID")?;
        let (name, issuer, client_id) = (name.to_owned(), issuer.to_owned(), client_id.to_owned());
        Ok(Self { name, issuer, client_id })
    }
}

fn provider_name(text: &str) -> Result<ProviderName, session_core::session::InvalidName> {
    ProviderName::new(text)
}

fn actor_name(text: &str) -> Result<Actor, session_core::session::InvalidName> {
    Actor::new(text)
}

fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_provider_s_issuer_may_have_a_path_and_a_port() {
        let provider =
            "okta=https://id.example:8443/a=b,c,app".parse::<ProviderArgument>().unwrap();
        assert_eq!((provider.name.as_str(), provider.client_id.as_str()), ("okta", "app"));
        assert_eq!(provider.issuer, "https://id.example:8443/a=b,c");
        assert!("okta".parse::<ProviderArgument>().is_err());
    }

    #[test]
    fn no_secret_is_printed_by_debug() {
        let typed = ["sessions", "--database", "postgres://u:hunter2@h/d", "stats"];
        let arguments = Arguments::try_parse_from(typed).unwrap();
        assert!(!format!("{arguments:?}").contains("hunter2"));
    }
}

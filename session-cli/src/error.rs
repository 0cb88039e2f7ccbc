//! Why a command failed.

use session_core::manager::{ManagerError, StartError};
use session_core::policy::PolicyError;
use session_core::provider::openid::{HttpError, InvalidSetting};
use session_core::store::StoreError;
use session_core::token::KeyringError;
use session_migrate::MigrateError;

use crate::output::print_error;

/// A command that failed. No address of a database and no key is part of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("DATABASE_URL is not set: set it, or give --database, as the service has it")]
    NoDatabase,
    #[error("SESSION_KEYS is not set: set it as the service has it")]
    NoKeys,
    #[error(
        "give --provider NAME=ISSUER,CLIENT_ID for each provider whose tokens are to be revoked"
    )]
    NoProvider,
    #[error("the sealing keys are not valid")]
    Keys(#[from] KeyringError),
    #[error("the sessions cannot be opened")]
    Start(#[from] StartError),
    #[error("the store cannot answer")]
    Store(#[from] StoreError),
    #[error("the command was not carried out")]
    Manager(#[from] ManagerError),
    #[error("the schema cannot be read")]
    Schema(#[from] MigrateError),
    #[error("--provider is not valid")]
    Provider(#[from] InvalidSetting),
    #[error("--older-than is not valid")]
    Policy(#[from] PolicyError),
    #[error("the HTTP client cannot be created")]
    Http(#[from] HttpError),
}

impl CliError {
    /// Prints the error with its causes.
    pub(crate) fn print(&self, is_json: bool) {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(next) = cause {
            text = format!("{text}: {next}");
            cause = next.source();
        }
        print_error(&text, is_json);
    }
}

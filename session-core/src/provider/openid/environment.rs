//! A client registration from environment variables (feature `reqwest`).

use std::env::{self, VarError};

use super::builder::OpenIdBuilder;
use super::default_client::{DefaultHttpClient, HttpError};
use super::provider::OpenIdProvider;

/// The environment does not describe a client registration. No value is part of the error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A variable is missing.
    #[error("{name} is not set: set it to {meaning}")]
    NotSet {
        /// The name of the variable.
        name: String,
        /// What its value is.
        meaning: &'static str,
    },
    /// A variable is not UTF-8.
    #[error("{name} is not UTF-8")]
    NotUnicode {
        /// The name of the variable.
        name: String,
    },
    /// The HTTP client cannot be created.
    #[error("the HTTP client of the provider cannot be created")]
    HttpClient(
        #[from]
        #[source]
        HttpError,
    ),
}

impl OpenIdProvider {
    /// Returns a builder for the client that these environment variables describe, with the
    /// [`DefaultHttpClient`]: for the prefix `OKTA`
    ///
    /// | variable | value |
    /// |---|---|
    /// | `OKTA_ISSUER` | the issuer, such as `https://id.example` |
    /// | `OKTA_CLIENT_ID` | the id of the client that is registered there |
    /// | `OKTA_CLIENT_SECRET` | its secret; not set for a public client |
    ///
    /// # Errors
    ///
    /// Returns [`EnvironmentError`] with the name of a variable that is missing or is not UTF-8.
    ///
    /// ```
    /// use session_core::provider::openid::OpenIdProvider;
    ///
    /// let error = OpenIdProvider::from_env("NOT_THERE").unwrap_err().to_string();
    /// assert!(error.starts_with("NOT_THERE_ISSUER is not set: set it to the issuer"), "{error}");
    /// ```
    pub fn from_env(prefix: &str) -> Result<OpenIdBuilder, EnvironmentError> {
        let required = |suffix: &str, meaning| {
            let name = format!("{prefix}_{suffix}");
            variable(&name)?.ok_or(EnvironmentError::NotSet { name, meaning })
        };
        let issuer = required("ISSUER", "the issuer of the provider, such as https://id.example")?;
        let client_id = required("CLIENT_ID", "the id of the client that is registered there")?;
        let builder = Self::builder(issuer, client_id, DefaultHttpClient::new()?);
        Ok(match variable(&format!("{prefix}_CLIENT_SECRET"))? {
            Some(secret) => builder.with_client_secret(secret.into()),
            None => builder,
        })
    }
}

fn variable(name: &str) -> Result<Option<String>, EnvironmentError> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(EnvironmentError::NotUnicode { name: name.to_owned() }),
    }
}

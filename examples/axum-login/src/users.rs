//! The application's own users: a table in memory, with hashes of their passwords.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use axum_login::{AuthUser, AuthnBackend};
use serde::Deserialize;
use tokio::task::{JoinError, spawn_blocking};

/// A user of the application.
#[derive(Clone)]
pub struct User {
    /// The user's name, which is the id too.
    pub name: String,
    password_hash: Arc<str>,
}

/// The users by their names.
#[derive(Debug, Clone)]
pub struct Users(Arc<HashMap<String, User>>);

/// What the form of the sign-in sends.
#[derive(Deserialize)]
pub struct Credentials {
    name: String,
    password: String,
}

impl Users {
    /// Creates users with these names and passwords.
    #[must_use]
    pub fn new<const N: usize>(users: [(&str, &str); N]) -> Self {
        let user = |(name, password): (&str, &str)| {
            let password_hash = password_auth::generate_hash(password).into();
            (name.to_owned(), User { name: name.to_owned(), password_hash })
        };
        Self(Arc::new(users.into_iter().map(user).collect()))
    }
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.name.clone()
    }

    /// A changed password signs all browsers of the user out.
    fn session_auth_hash(&self) -> &[u8] {
        self.password_hash.as_bytes()
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Credentials;
    type Error = JoinError;

    async fn authenticate(&self, given: Credentials) -> Result<Option<User>, JoinError> {
        let user = self.0.get(&given.name).cloned();
        // Hashing takes long, which is its purpose; and as long for a name that is not known, so that
        // the time tells nothing. A limit on attempts is the application's.
        spawn_blocking(move || match user {
            Some(user) => {
                let verified = password_auth::verify_password(given.password, &user.password_hash);
                verified.is_ok().then_some(user)
            }
            None => {
                drop(password_auth::generate_hash(given.password));
                None
            }
        })
        .await
    }

    async fn get_user(&self, name: &String) -> Result<Option<User>, JoinError> {
        Ok(self.0.get(name).cloned())
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

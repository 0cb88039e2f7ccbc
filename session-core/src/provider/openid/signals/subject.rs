//! Whom a signal is about (RFC 9493, and the complex subjects of the Shared Signals Framework).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{SignalError, SignalErrorKind};

/// The identifier of a user, in one of the formats of RFC 9493 that can name one.
///
/// ```
/// use session_core::provider::openid::signals::SubjectIdentifier;
///
/// let json = serde_json::json!({ "format": "email", "email": "ann@app.example" });
/// let email = SubjectIdentifier::parse(&json).unwrap();
/// assert!(matches!(email, SubjectIdentifier::Email { email } if email == "ann@app.example"));
/// assert!(SubjectIdentifier::parse(&serde_json::json!({ "format": "aliases" })).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "format", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubjectIdentifier {
    /// An account at a service (`acct:` URI).
    Account {
        /// The address.
        uri: String,
    },
    /// An e-mail address.
    Email {
        /// The address.
        email: String,
    },
    /// A subject of an issuer.
    IssSub {
        /// The issuer.
        iss: String,
        /// The subject.
        sub: String,
    },
    /// An id without a structure.
    Opaque {
        /// The id.
        id: String,
    },
    /// A telephone number.
    PhoneNumber {
        /// The number.
        phone_number: String,
    },
}

impl SubjectIdentifier {
    /// Parses an identifier.
    ///
    /// # Errors
    ///
    /// Returns a [`SignalError`] of the kind `Subject` if the format is another one, or a member is
    /// missing.
    pub fn parse(json: &Value) -> Result<Self, SignalError> {
        Self::deserialize(json).map_err(|_| SignalErrorKind::Subject.into())
    }
}

/// What an event is about: a user, a session at the provider, or a session of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalSubject {
    /// The user.
    pub user: Option<SubjectIdentifier>,
    /// The provider's own session (`sid`): then this one alone is over.
    pub sid: Option<String>,
}

impl SignalSubject {
    /// Parses the claim `sub_id` of a `session-revoked` event: a simple subject, where an opaque one is
    /// the session, or a complex one with the members `session` and `user` (CAEP 1.0, section 3.1;
    /// Shared Signals Framework 1.0, section 3).
    ///
    /// # Errors
    ///
    /// Returns a [`SignalError`] of the kind `Subject` if a format is not supported, or if it names
    /// neither: then a part of a user's sessions is meant, such as those of a device, which is not
    /// known here.
    pub(super) fn parse(json: &Value) -> Result<Self, SignalError> {
        let unsupported = || SignalError::from(SignalErrorKind::Subject);
        let members = json.as_object().ok_or_else(unsupported)?;
        if members.get("format").and_then(Value::as_str) == Some("complex") {
            return Self::complex(members);
        }
        Ok(match SubjectIdentifier::parse(json)? {
            SubjectIdentifier::Opaque { id } => Self { user: None, sid: Some(id) },
            user => Self { user: Some(user), sid: None },
        })
    }

    fn complex(members: &Map<String, Value>) -> Result<Self, SignalError> {
        let user = members.get("user").map(SubjectIdentifier::parse).transpose()?;
        let sid = match members.get("session").map(SubjectIdentifier::parse).transpose()? {
            Some(SubjectIdentifier::Opaque { id }) => Some(id),
            Some(_) => return Err(SignalErrorKind::Subject.into()),
            None => None,
        };
        let names_a_part =
            ["device", "group", "org_unit"].iter().any(|it| members.contains_key(*it));
        match (&user, &sid) {
            (None, None) => Err(SignalErrorKind::Subject.into()),
            (Some(_), None) if names_a_part => Err(SignalErrorKind::Subject.into()),
            _ => Ok(Self { user, sid }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;

    #[test]
    fn b9_only_what_is_understood_as_a_whole_names_sessions() {
        let session = json!({ "format": "opaque", "id": "sid-1" });
        let user = json!({ "format": "iss_sub", "iss": "https://id.example", "sub": "s" });
        let parsed = |json: Value| SignalSubject::parse(&json);
        assert_eq!(parsed(session.clone()).unwrap().sid.as_deref(), Some("sid-1"));
        assert!(parsed(user.clone()).unwrap().user.is_some());
        let both =
            parsed(json!({ "format": "complex", "user": user, "session": session })).unwrap();
        assert!(both.user.is_some() && both.sid.is_some());
        // A tenant says where the user belongs; it names no part of the sessions.
        let tenant = json!({ "format": "complex", "user": user, "tenant": session });
        assert!(parsed(tenant).unwrap().user.is_some());
        for refused in [
            json!({}),
            json!("sid-1"),
            json!({ "format": "opaque" }),
            json!({ "format": "opaque", "id": 1 }),
            json!({ "format": "uri", "uri": "urn:x" }),
            json!({ "format": "complex" }),
            json!({ "format": "complex", "tenant": session }),
            json!({ "format": "complex", "user": user, "device": session }),
            json!({ "format": "complex", "session": user }),
            json!({ "format": "complex", "user": { "format": "did", "url": "did:x" } }),
        ] {
            assert!(parsed(refused.clone()).is_err(), "{refused}");
        }
    }
}

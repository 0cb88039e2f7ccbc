//! The challenges of a 401 (RFC 9110, section 11.6.1).

use http::HeaderValue;
use session_core::policy::authentication::RequiredAuthentication;

/// The challenge of a missing session. No browser asks for a password at this scheme, and programs
/// learn that a cookie is needed.
pub(crate) const SESSION: HeaderValue = HeaderValue::from_static("Cookie realm=\"session\"");

/// Returns the challenge of an authentication that is not sufficient (RFC 9470, section 3).
pub(crate) fn step_up(required: &RequiredAuthentication) -> HeaderValue {
    let mut challenge = "Bearer error=\"insufficient_user_authentication\", error_description=\
                         \"a more recent or stronger authentication is required\""
        .to_owned();
    if let Some(values) = required.acr_values() {
        challenge.push_str(&format!(", acr_values={}", quoted(&values)));
    }
    if let Some(max_age) = required.max_age() {
        challenge.push_str(&format!(", max_age=\"{}\"", max_age.as_secs()));
    }
    // The values are visible ASCII characters and spaces.
    HeaderValue::try_from(challenge).unwrap_or(SESSION)
}

/// Writes a quoted string (RFC 9110, section 5.6.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

//! What a response says of the access token and its proof (RFC 6750, section 3; RFC 9449, section 7.1).

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, Response, StatusCode};

/// Returns whether another access token may be accepted: 401 with the error `invalid_token`, or with
/// no error at all, as many services answer. Another error, such as that the user must authenticate
/// anew (RFC 9470), does not go away with a new token.
pub(super) fn rejects_token<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        && errors(response.headers()).all(|error| error.eq_ignore_ascii_case("invalid_token"))
}

/// Returns whether a response asks for the nonce that it gives (RFC 9449, section 9).
#[cfg(feature = "dpop")]
pub(super) fn wants_nonce<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        && errors(response.headers()).any(|error| error == "use_dpop_nonce")
}

/// Returns the `error` parameters of the challenges.
fn errors(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| parameters(value))
        .filter_map(|(name, value)| name.eq_ignore_ascii_case("error").then_some(value))
}

/// Splits challenges into their parameters; a scheme in front of a name is left out.
fn parameters(challenges: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = challenges;
    while let Some((name, value)) = rest.split_once('=') {
        let name = name.rsplit([' ', ',', '\t']).next().unwrap_or_default();
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_at(value.find([',', ' ']).unwrap_or(value.len())),
        };
        found.push((name, value));
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::rejects_token;
    use http::Response;
    use http::header::WWW_AUTHENTICATE;

    fn is_rejected(status: u16, challenges: &[&str]) -> bool {
        let mut response = Response::builder().status(status);
        for challenge in challenges {
            response = response.header(WWW_AUTHENTICATE, *challenge);
        }
        rejects_token(&response.body(()).unwrap())
    }

    #[test]
    fn an_invalid_token_is_told_from_what_a_new_one_does_not_mend() {
        assert!(is_rejected(
            401,
            &[r#"Bearer realm="x", error="invalid_token", error_description="a=b""#]
        ));
        assert!(is_rejected(401, &["Bearer error=invalid_token"]));
        assert!(is_rejected(401, &[r#"Basic realm="y""#, r#"bearer Error="Invalid_Token""#]));
        assert!(is_rejected(401, &["Bearer"]));
        assert!(is_rejected(401, &[]));
        assert!(!is_rejected(
            401,
            &[r#"Bearer error="insufficient_user_authentication", max_age="5""#]
        ));
        assert!(!is_rejected(401, &[r#"Bearer error="invalid_request""#]));
        assert!(is_rejected(401, &["Bearer", r#"DPoP error="invalid_token", algs="ES256""#]));
        assert!(!is_rejected(401, &[r#"DPoP error="use_dpop_nonce""#]));
        assert!(!is_rejected(401, &["Bearer", r#"DPoP error="invalid_dpop_proof""#]));
        assert!(!is_rejected(403, &[r#"Bearer error="insufficient_scope""#]));
        assert!(!is_rejected(200, &[]));
        assert!(is_rejected(401, &[r#"Bearer error_description="error=invalid_request""#]));
    }
}

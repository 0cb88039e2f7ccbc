//! Client authentication at the token and the revocation endpoint.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64ct::{Base64, Encoding};
use percent_encoding::percent_decode_str;

use crate::client::Client;
use crate::error_response::ErrorResponse;
use crate::params::Params;
use crate::provider::Provider;

/// The credentials in a request.
struct Credentials {
    id: String,
    secret: Option<String>,
}

/// Finds the client of a request and checks its secret: `client_secret_basic`, `client_secret_post`,
/// or `none` for a public client (RFC 6749, 2.3).
///
/// An unknown client and a wrong secret get the same response.
pub(crate) fn authenticate<'a>(
    provider: &'a Provider,
    headers: &HeaderMap,
    params: &Params,
) -> Result<&'a Client, ErrorResponse> {
    let credentials = presented(headers, params)?;
    let client = provider.clients.get(&credentials.id);
    let accepted = client.filter(|client| match &credentials.secret {
        Some(secret) => client.accepts_secret(secret),
        None => client.is_public(),
    });
    accepted.ok_or_else(|| ErrorResponse::invalid_client("client authentication failed"))
}

fn presented(headers: &HeaderMap, params: &Params) -> Result<Credentials, ErrorResponse> {
    let in_body = params.value("client_secret");
    let Some(authorization) = headers.get(AUTHORIZATION) else {
        let id = params
            .value("client_id")
            .ok_or_else(|| ErrorResponse::invalid_client("client_id is missing"))?;
        return Ok(Credentials { id: id.to_owned(), secret: in_body.map(str::to_owned) });
    };
    if in_body.is_some() {
        return Err(ErrorResponse::invalid_request("two methods of client authentication"));
    }
    let basic = authorization.to_str().ok().and_then(basic_credentials);
    let basic =
        basic.ok_or_else(|| ErrorResponse::invalid_client("malformed Basic credentials"))?;
    if params.value("client_id").is_some_and(|id| id != basic.id) {
        return Err(ErrorResponse::invalid_request(
            "client_id is not that of the Basic credentials",
        ));
    }
    Ok(basic)
}

fn basic_credentials(header: &str) -> Option<Credentials> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(Base64::decode_vec(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some(Credentials { id: form_decoded(id)?, secret: Some(form_decoded(secret)?) })
}

fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::basic_credentials;

    #[test]
    fn basic_credentials_are_form_decoded() {
        // "my%3Aapp:a+b%26"
        let credentials = basic_credentials("basic bXklM0FhcHA6YStiJTI2").unwrap();
        assert_eq!(
            (credentials.id.as_str(), credentials.secret.as_deref()),
            ("my:app", Some("a b&"))
        );
        assert!(basic_credentials("Bearer abc").is_none());
        assert!(basic_credentials("Basic !!!").is_none());
        assert!(basic_credentials("Basic").is_none());
    }
}

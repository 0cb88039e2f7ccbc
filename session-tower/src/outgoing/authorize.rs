//! The headers by which a request shows its access token.

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Request};

use super::caller::OutgoingToken;
use super::error::OutgoingError;
use super::settings::Settings;

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Sets the headers of a token, in place of those that the request had. A token that is bound to a
/// key never becomes a bearer token (RFC 9449, section 7.1).
pub(super) fn authorize<B, E>(
    request: &mut Request<B>,
    token: &OutgoingToken,
    settings: &Settings,
) -> Result<(), OutgoingError<E>> {
    request.headers_mut().remove(DPOP);
    let scheme = match token.is_sender_constrained() {
        true => {
            let proof = settings.proofs.prove(request, token, &settings.manager);
            request.headers_mut().insert(DPOP, proof.map_err(OutgoingError::NoProof)?);
            "DPoP"
        }
        false => "Bearer",
    };
    let value = HeaderValue::try_from(format!("{scheme} {}", token.as_str()));
    let mut value = value.map_err(|_| OutgoingError::MalformedToken)?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

//! Issuer, subject and `sid`, from the mapping, the stored user info, or the ID token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::source::bind::{PlaceSlot, ValueSlot};
use crate::source::row::OpenedTokens;
use crate::sql::Cell;

const CLAIMS: [&str; 3] = ["iss", "sub", "sid"];

/// Issuer, subject and `sid`.
///
/// The ID token's signature is not verified: the source's application did that when it signed the
/// person in, and its database is trusted as far as the tokens themselves are.
pub(super) fn of(
    sources: &[Option<ValueSlot>; 3],
    tokens: Option<&OpenedTokens>,
    value: impl Fn(&PlaceSlot) -> Cell,
) -> [Option<String>; 3] {
    let userinfo = tokens.and_then(|tokens| tokens.extra().get("userinfo"));
    let payload = tokens.and_then(OpenedTokens::id).and_then(payload);
    let mut found = sources.iter().zip(CLAIMS).map(|(source, claim)| {
        let mapped = match source {
            Some(ValueSlot::Constant(text)) => Some(text.clone()),
            Some(ValueSlot::Place(slot)) => given(&value(slot)),
            None => None,
        };
        let claimed = |claims: Option<&Value>| text(claims?.get(claim)?);
        mapped.or_else(|| claimed(userinfo)).or_else(|| claimed(payload.as_ref()))
    });
    std::array::from_fn(|_| found.next().flatten())
}

fn given(cell: &Cell) -> Option<String> {
    cell.as_text().map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty())
}

/// A claim as text; some providers write a subject as a number.
fn text(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The claims of an ID token (RFC 7519, section 7.2), unverified.
fn payload(token: &str) -> Option<Value> {
    let encoded = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn a_payload_is_read_without_its_signature() {
        // {"iss":"https://id.example","sub":4711}
        let token = "e30.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJzdWIiOjQ3MTF9.c2ln";
        let claims = payload(token).unwrap();
        assert_eq!(super::text(&claims["sub"]).as_deref(), Some("4711"));
        for none in ["", "opaque", "a.b.c", "e30.W10.x"] {
            assert!(payload(none).is_none(), "{none}");
        }
    }
}

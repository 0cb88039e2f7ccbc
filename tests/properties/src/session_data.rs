//! What an application keeps with a session: one JSON object, small, and never shown.

use serde_json::Value;
use session_core::session::{InvalidSessionData, SessionData};

use crate::hidden::{CANARY, assert_debug_hides, assert_hidden};

/// Checks a JSON document as the data of a session.
pub(crate) fn check(input: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(input) else {
        assert!(serde_json::from_slice::<SessionData>(input).is_err());
        return;
    };
    match SessionData::new(&json) {
        Ok(data) => check_kept(&data, &json),
        Err(error) => {
            assert!(!json.is_object() || matches!(error, InvalidSessionData::TooLong(_)));
            assert_hidden(&error, &[CANARY]);
        }
    }
}

fn check_kept(data: &SessionData, json: &Value) {
    let fields = json.as_object().expect("only an object is kept");
    assert!(fields.iter().all(|(name, value)| data.get(name) == Some(value)));
    assert_eq!(data.is_empty(), fields.is_empty());
    assert_eq!(&data.read::<Value>().unwrap(), json);
    let written = serde_json::to_vec(data).unwrap();
    assert!(written.len() <= SessionData::MAX_BYTES);
    let again: SessionData = serde_json::from_slice(&written).unwrap();
    assert!(is_same(&again.read().unwrap(), json), "{}", String::from_utf8_lossy(&written));
    assert_debug_hides(data, &[CANARY]);
}

/// Compares two documents. The last binary digit of a fraction may differ: `serde_json` reads one so,
/// unless its feature `float_roundtrip` is on.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (Some(a), Some(b)) = (one.as_f64(), other.as_f64()) else { return one == other };
            one == other || (one.is_f64() && (a - b).abs() <= a.abs().max(b.abs()) * 1e-15)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_kept =
                |(name, a): (&String, &Value)| other.get(name).is_some_and(|b| is_same(a, b));
            one.len() == other.len() && one.iter().all(is_kept)
        }
        _ => one == other,
    }
}

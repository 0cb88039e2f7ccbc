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
    assert_eq!(&again.read::<Value>().unwrap(), json, "{}", String::from_utf8_lossy(&written));
    assert_debug_hides(data, &[CANARY]);
}

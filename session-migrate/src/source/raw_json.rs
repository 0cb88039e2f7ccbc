//! Finds values in JSON without changing how they are written: a number keeps all its digits.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::sql::Cell;

/// The fields of an object.
pub(crate) type RawFields<'a> = BTreeMap<String, &'a RawValue>;

/// Returns a JSON text, or the one inside a JSON string, as some applications store it; `None` if it
/// is not text.
pub(crate) fn document(bytes: &[u8]) -> Option<Cow<'_, str>> {
    match serde_json::from_slice::<String>(bytes) {
        Ok(inner) => Some(Cow::Owned(inner)),
        Err(_) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}

/// Returns the value at a path; inside, `None` if there is none, or `null`.
///
/// # Errors
///
/// If the text is not JSON.
pub(crate) fn find<'a>(
    text: &'a str,
    path: &[String],
) -> Result<Option<&'a RawValue>, serde_json::Error> {
    let mut found: &RawValue = serde_json::from_str(text)?;
    for name in path {
        let fields: Option<RawFields<'a>> = fields(found);
        match fields.and_then(|fields| fields.get(name).copied()) {
            Some(inner) => found = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(found).filter(|found| found.get() != "null"))
}

/// Returns the fields of an object; `None` if it is none.
pub(crate) fn fields(object: &RawValue) -> Option<RawFields<'_>> {
    serde_json::from_str(object.get()).ok()
}

/// Returns a value as a cell: whole numbers of more digits than a number holds as text.
pub(crate) fn cell(value: Option<&RawValue>) -> Cell {
    let Some(value) = value else { return Cell::Null };
    let text = value.get();
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match serde_json::from_str(text) {
        Ok(Value::Null) => Cell::Null,
        Ok(Value::Bool(truth)) => Cell::Integer(i64::from(truth)),
        Ok(Value::String(text)) => Cell::Text(text),
        Ok(Value::Number(_)) => match (text.parse(), text.parse()) {
            (Ok(number), _) => Cell::Integer(number),
            (Err(_), Ok(number)) if !is_digits(text.trim_start_matches('-')) => Cell::Real(number),
            _ => Cell::Text(text.to_owned()),
        },
        _ => Cell::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{cell, document, find};
    use crate::sql::Cell;

    fn at(text: &str, path: &[&str]) -> Option<String> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        find(text, &path).unwrap().map(|found| found.get().to_owned())
    }

    #[test]
    fn a_value_is_found_as_it_is_written() {
        let text = r#"{"a": {"b": 1.50, "c": [ 1e3 ]}, "n": null}"#;
        assert_eq!(at(text, &["a", "b"]).as_deref(), Some("1.50"));
        assert_eq!(at(text, &["a", "c"]).as_deref(), Some("[ 1e3 ]"));
        for nothing in [&["a", "x"][..], &["n"], &["a", "b", "c"], &["n", "x"]] {
            assert_eq!(at(text, nothing), None, "{nothing:?}");
        }
        assert!(find("{", &[]).is_err());
        assert_eq!(document(br#""{\"a\": 1}""#).as_deref(), Some(r#"{"a": 1}"#));
    }

    #[test]
    fn a_cell_holds_the_value_without_loss() {
        let of = |text: &str| cell(Some(&RawValue::from_string(text.to_owned()).unwrap()));
        assert_eq!(of("4711"), Cell::Integer(4711));
        assert_eq!(of("1770140731.6878679"), Cell::Real(1_770_140_731.687_867_9));
        assert_eq!(of("110248495921238986420"), Cell::Text("110248495921238986420".to_owned()));
        assert_eq!(of("true"), Cell::Integer(1));
        assert_eq!(of("\"a\\u0062\""), Cell::Text("ab".to_owned()));
        assert_eq!((of("null"), cell(None)), (Cell::Null, Cell::Null));
    }
}

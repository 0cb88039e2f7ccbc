use std::fmt;
use std::str::FromStr;

use sea_orm_migration::sea_orm::Value;
use serde::{Deserialize, Serialize};

/// How far a table was read: the place after its last row.
///
/// Its text can be kept and read back by another process.
///
/// # Security
///
/// It holds the row's key, which can be a cookie, and of a table without a key its tokens; `Debug`
/// prints nothing of it. Keep the text where the source's rows may be kept.
#[derive(Clone, PartialEq)]
pub struct Cursor(pub(super) Vec<Mark>);

/// One value of the place, as a parameter takes it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    Integer(i64),
    /// By its bits, for its text would lose some.
    Real(u64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Mark {
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Integer(number) => Value::BigInt(Some(*number)),
            Self::Real(bits) => Value::Double(Some(f64::from_bits(*bits))),
            Self::Text(text) => Value::String(Some(text.clone())),
            Self::Bytes(bytes) => Value::Bytes(Some(bytes.clone())),
        }
    }
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not a cursor")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        serde_json::from_str(text).map(Self).map_err(|_| InvalidCursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({} values)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Mark};

    #[test]
    fn a_cursor_outlives_its_process() {
        let marks = vec![
            Mark::Integer(-7),
            Mark::Real(0.1_f64.to_bits()),
            Mark::Text("Zoë \"".to_owned()),
            Mark::Bytes(vec![0, 255]),
        ];
        let cursor = Cursor(marks);
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        assert!("x".parse::<Cursor>().is_err());
        assert!(!format!("{cursor:?}").contains("Zo"));
    }
}

//! Writing a scope in the form of the stored one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::source::row::scope_of_text;
use crate::sql::{Column, ColumnKind};

/// How a scope is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScopeFormat {
    Separated(&'static str),
    /// A JSON array.
    Json,
    /// PostgreSQL's `{a,b}`.
    Braces,
}

impl ScopeFormat {
    fn of(text: &str) -> Self {
        let text = text.trim();
        if text.starts_with('[') {
            Self::Json
        } else if text.starts_with('{') && text.ends_with('}') {
            Self::Braces
        } else if text.contains(", ") {
            Self::Separated(", ")
        } else if text.contains(',') {
            Self::Separated(",")
        } else {
            Self::Separated(" ")
        }
    }

    /// Returns the format for an empty column.
    fn blank(column: &Column) -> Self {
        match column.kind {
            ColumnKind::Json => Self::Json,
            _ if column.declared.ends_with("[]") => Self::Braces,
            _ => Self::Separated(" "),
        }
    }

    fn write(self, scope: &str) -> String {
        let parts = scope.split_ascii_whitespace();
        match self {
            Self::Separated(by) => parts.collect::<Vec<_>>().join(by),
            Self::Json => Value::from(parts.collect::<Vec<_>>()).to_string(),
            Self::Braces => format!("{{{}}}", parts.map(quoted).collect::<Vec<_>>().join(",")),
        }
    }
}

/// Returns an element of a PostgreSQL array, quoted where needed.
fn quoted(part: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | ':' | '/' | '_' | '-');
    if part.chars().all(is_plain) && !part.eq_ignore_ascii_case("null") {
        return part.to_owned();
    }
    format!("\"{}\"", part.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns whether two scopes grant the same: the order does not matter (RFC 6749, section 3.3).
fn is_same(stored: Option<&str>, scope: &str) -> bool {
    let parts = |scope: &str| -> BTreeSet<String> {
        scope.split_ascii_whitespace().map(str::to_owned).collect()
    };
    parts(stored.unwrap_or_default()) == parts(scope)
}

/// Returns the scope as a column's text; `None` if the stored one grants the same.
pub(super) fn in_column(stored: Option<&str>, column: &Column, scope: &str) -> Option<String> {
    if is_same(stored.and_then(scope_of_text).as_deref(), scope) {
        return None;
    }
    let form = match stored.filter(|stored| !stored.trim().is_empty()) {
        // In a JSON column a text has its quotes.
        Some(stored) if column.kind == ColumnKind::Json => {
            return in_json(serde_json::from_str(stored).ok().as_ref(), scope)
                .map(|scope| scope.to_string());
        }
        Some(stored) => ScopeFormat::of(stored),
        None => ScopeFormat::blank(column),
    };
    Some(form.write(scope))
}

/// Returns the scope as a JSON field; `None` if the stored one grants the same.
pub(super) fn in_json(stored: Option<&Value>, scope: &str) -> Option<Value> {
    let text = match stored {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(_)) => stored.map(Value::to_string),
        _ => None,
    };
    if is_same(text.as_deref().and_then(scope_of_text).as_deref(), scope) {
        return None;
    }
    Some(match stored {
        Some(Value::Array(_)) => Value::from(scope.split_ascii_whitespace().collect::<Vec<_>>()),
        _ => ScopeFormat::of(text.as_deref().unwrap_or_default()).write(scope).into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{in_column, in_json};
    use crate::source::row::scope_of_text;
    use crate::sql::{Column, ColumnKind};

    fn column(kind: ColumnKind, declared: &str) -> Column {
        let (name, declared) = ("scope".to_owned(), declared.to_owned());
        Column {
            name,
            declared,
            kind,
            is_nullable: true,
            updates_itself: false,
            has_default: false,
        }
    }

    #[test]
    fn the_form_is_kept() {
        let text = column(ColumnKind::Text, "text");
        for (stored, written) in [
            ("a b", "a c d"),
            ("a,b", "a,c,d"),
            ("a, b", "a, c, d"),
            ("{a,b}", "{a,c,d}"),
            ("[\"a\",\"b\"]", "[\"a\",\"c\",\"d\"]"),
        ] {
            assert_eq!(in_column(Some(stored), &text, "a c d").as_deref(), Some(written));
            assert_eq!(in_column(Some(stored), &text, "b a"), None, "{stored}");
        }
        assert_eq!(in_json(Some(&json!(["a"])), "a b"), Some(json!(["a", "b"])));
        assert_eq!(in_json(Some(&json!("a,c")), "a b"), Some(json!("a,b")));
        assert_eq!(in_json(None, "a b"), Some(json!("a b")));
        assert_eq!(in_json(Some(&json!(["b", "a"])), "a b"), None);
    }

    #[test]
    fn where_nothing_stands_the_column_decides() {
        let array = column(ColumnKind::Other, "character varying(255)[]");
        let json = column(ColumnKind::Json, "jsonb");
        assert_eq!(in_column(None, &array, "a:b c,d").as_deref(), Some("{a:b,\"c,d\"}"));
        assert_eq!(in_column(None, &json, "a b").as_deref(), Some("[\"a\",\"b\"]"));
        assert_eq!(in_column(Some("\"a\""), &json, "a b").as_deref(), Some("\"a b\""));
        assert_eq!(
            in_column(Some(""), &column(ColumnKind::Text, "text"), "a").as_deref(),
            Some("a")
        );
        assert_eq!(scope_of_text("{a:b,\"x\"}").as_deref(), Some("a:b x"));
    }
}

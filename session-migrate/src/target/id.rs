//! The ids of moved rows, derived one way from the source's keys.

use session_core::SessionId;

use crate::source::SourceKey;

/// The id that a row gets in the target, at every run the same.
///
/// A key may be a cookie, and the id is public: nobody finds the key from it, for keys that are
/// cookies have too much randomness to be guessed.
pub(crate) fn of_row(mapping: &str, key: &SourceKey) -> SessionId {
    SessionId::derived(&[b"row", mapping.as_bytes(), &key.canonical()])
}

/// The id of the move that these mappings are.
pub(crate) fn of_move<'a>(mappings: impl Iterator<Item = (&'a str, &'a str)>) -> SessionId {
    let mut parts: Vec<&[u8]> = vec![b"move"];
    for (name, table) in mappings {
        parts.push(name.as_bytes());
        parts.push(table.as_bytes());
    }
    SessionId::derived(&parts)
}

#[cfg(test)]
mod tests {
    use super::{of_move, of_row};
    use crate::source::SourceKey;
    use crate::sql::Cell;

    #[test]
    fn an_id_is_of_its_mapping_and_its_key() {
        let key = |text: &str| SourceKey::new(vec![Cell::Text(text.to_owned())]);
        let id = of_row("oauth_session", &key("a"));
        assert_eq!(id, of_row("oauth_session", &key("a")));
        assert_ne!(id, of_row("oauth_session", &key("b")));
        assert_ne!(id, of_row("accounts", &key("a")));
        assert_eq!(id.as_uuid().get_version_num(), 8);
        assert_ne!(of_move([("a", "b")].into_iter()), of_move([("ab", "")].into_iter()));
    }
}

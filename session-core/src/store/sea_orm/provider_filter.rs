//! Selects rows by the patterns of their providers.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition};

use super::entity::session::Column;
use crate::policy::ProviderSelection;

/// Returns what is true of the rows of some providers.
pub(super) fn has_provider(selection: &ProviderSelection) -> Condition {
    let excluded = |pattern: &String| matching(pattern).map_or_else(none, |expr| expr.not());
    Condition::all()
        .add_option(selection.including().and_then(matching))
        .add_option(selection.excluding().iter().map(excluded).reduce(ExprTrait::and))
}

/// Returns what is true of the providers that match a pattern; `None` if all do.
///
/// A range, which the index by the provider answers: all collations compare the bytes. `LIKE` folds
/// case on SQLite.
fn matching(pattern: &str) -> Option<Expr> {
    let Some(prefix) = pattern.strip_suffix('*') else {
        return Some(Column::Provider.eq(pattern));
    };
    let from = Column::Provider.gte(prefix);
    let until = after_all_with(prefix).map(|end| Column::Provider.lt(end));
    match until {
        Some(until) => Some(from.and(until)),
        None => (!prefix.is_empty()).then_some(from),
    }
}

/// Returns the least text that comes after all that begin with this prefix, in the order of the
/// characters' numbers; `None` if there is none.
fn after_all_with(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            return Some(characters.into_iter().chain([next]).collect());
        }
    }
    None
}

fn none() -> Expr {
    Expr::val(1).eq(0)
}

#[cfg(test)]
mod tests {
    use super::after_all_with;

    #[test]
    fn a_prefix_is_followed_by_the_next_character() {
        assert_eq!(after_all_with("mcp:").as_deref(), Some("mcp;"));
        assert_eq!(after_all_with("a\u{d7ff}").as_deref(), Some("a\u{e000}"), "no surrogate");
        assert_eq!(after_all_with("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_all_with("\u{10ffff}"), None);
        assert_eq!(after_all_with(""), None);
    }
}

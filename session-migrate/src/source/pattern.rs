//! Names with a `*` in them.

/// Whether a text has the form of a pattern in which `*` stands for any text.
pub(crate) fn is_match(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter_map(|at| text.get(at..)).any(|tail| is_match(rest, tail))
}

/// A name without what spellings differ in: `providerAccountId` is `provider_account_id`.
pub(crate) fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::{folded, is_match};

    #[test]
    fn a_star_stands_for_any_text() {
        for text in ["mcp:", "mcp:docs", "mcp:é"] {
            assert!(is_match("mcp:*", text), "{text}");
        }
        for text in ["mcp", "MCP:docs", "xmcp:docs", "google"] {
            assert!(!is_match("mcp:*", text), "{text}");
        }
        assert!(is_match("a*b*c", "a-b-b-c") && !is_match("a*b*c", "a-c"));
        assert!(is_match("google", "google") && !is_match("google", "google "));
    }

    #[test]
    fn spellings_of_a_name_are_one() {
        assert_eq!(folded("providerAccountId"), folded("provider_account_id"));
        assert_ne!(folded("provider"), folded("providerId"));
    }
}

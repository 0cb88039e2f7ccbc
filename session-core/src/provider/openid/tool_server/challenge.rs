//! The challenge of a tool server that wants a token (RFC 6750, section 3; RFC 9728, section 5.1).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// What a `Bearer` challenge says about how to get a token.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Where the metadata of the resource are.
    pub(super) resource_metadata: Option<String>,
    /// The scopes that the request needs.
    pub(super) scope: Option<String>,
}

impl Challenge {
    /// Reads the first `Bearer` challenge of a response; empty if there is none.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        let values =
            headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        for (name, value) in values.flat_map(bearer_parameters) {
            let slot = match name.to_ascii_lowercase().as_str() {
                "resource_metadata" => &mut found.resource_metadata,
                "scope" => &mut found.scope,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        found
    }
}

/// Returns the parameters of the `Bearer` challenges in one header (RFC 9110, section 11.6.1).
fn bearer_parameters(header: &str) -> Vec<(String, String)> {
    let (mut found, mut is_bearer) = (Vec::new(), false);
    let mut rest = header.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let end = rest.find([' ', ',', '=', '\t']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = match after.trim_start().strip_prefix('=') {
            Some(after) => {
                let (value, after) = parameter_value(after.trim_start());
                if is_bearer {
                    found.push((word.to_owned(), value));
                }
                after
            }
            // A word without a value begins a challenge.
            None => {
                is_bearer = word.eq_ignore_ascii_case("bearer");
                after
            }
        };
        rest = rest.trim_start_matches([' ', ',', '\t', '=']);
    }
    found
}

/// Splits a token or a quoted text off; in a quoted text a backslash escapes.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', ',', '\t']).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (value.to_owned(), after);
    };
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => {
                is_escaped = true;
                continue;
            }
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            _ => {}
        }
        value.push(c);
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::Challenge;
    use http::HeaderMap;
    use http::header::WWW_AUTHENTICATE;

    fn read(challenges: &[&'static str]) -> (Option<String>, Option<String>) {
        let pairs = challenges.iter().map(|text| (WWW_AUTHENTICATE, text.parse().unwrap()));
        let challenge = Challenge::of(&pairs.collect::<HeaderMap>());
        (challenge.resource_metadata, challenge.scope)
    }

    #[test]
    fn reads_the_parameters_of_bearer_challenges_alone() {
        let url = || Some("https://a.example/x?y=z".to_owned());
        let scope = || Some("read write".to_owned());
        for challenges in [
            &[r#"Bearer resource_metadata="https://a.example/x?y=z", scope="read write""#][..],
            &[
                r#"bearer realm="a, b=\"c\"" , Scope = "read write",resource_metadata="https://a.example/x?y=z""#,
            ],
            &[
                r#"Basic realm="x", Bearer scope="read write", resource_metadata="https://a.example/x?y=z""#,
            ],
            &[
                "DPoP algs=ES256",
                r#"Bearer scope="read write""#,
                "Bearer resource_metadata=https://a.example/x?y=z",
            ],
        ] {
            assert_eq!(read(challenges), (url(), scope()), "{challenges:?}");
        }
        for challenges in [
            &[][..],
            &["Bearer"],
            &[r#"Basic scope="read", resource_metadata="https://evil.example""#],
            &[r#"Bearer error_description="scope=read, Bearer scope=read""#],
            &["Bearer ,, =="],
        ] {
            assert_eq!(read(challenges), (None, None), "{challenges:?}");
        }
        assert_eq!(read(&[r#"Bearer scope="cut off"#]).1.as_deref(), Some("cut off"));
    }
}

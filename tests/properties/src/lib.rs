//! What holds for every input from outside.
//!
//! Each property is one function over bytes, which panics where the property does not hold. The fuzz
//! targets in `fuzz/` call it with what libFuzzer invents, and `tests/tests/properties.rs` with the
//! committed corpus and with mutations of it, on a stable toolchain.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a panic is how a property fails"
)]

#[cfg(feature = "migrate")]
mod change_log;
mod cookie;
mod discovery;
mod hidden;
mod issuer;
#[cfg(feature = "migrate")]
mod mapping;
mod sealed;
mod session_data;
mod signed_token;
mod token_response;

/// A property, by the name of its fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// The name of the fuzz target, and of the folder of its corpus.
    pub name: &'static str,
    /// Checks the property of one input.
    pub check: fn(&[u8]),
}

/// Every property.
pub const ALL: &[Property] = &[
    #[cfg(feature = "migrate")]
    Property { name: "change_log_key", check: change_log::check },
    Property { name: "cookie_header", check: cookie::check },
    Property { name: "discovery", check: discovery::check },
    #[cfg(feature = "migrate")]
    Property { name: "mapping_file", check: mapping::check },
    Property { name: "sealed_value", check: sealed::check },
    Property { name: "session_data", check: session_data::check },
    Property { name: "signed_token", check: signed_token::check },
    Property { name: "token_response", check: token_response::check },
];

/// Checks the property of this name.
///
/// # Panics
///
/// If the property does not hold, or there is none of this name.
pub fn check(name: &str, input: &[u8]) {
    let property = ALL.iter().find(|property| property.name == name);
    (property.expect("a property of this name").check)(input);
}

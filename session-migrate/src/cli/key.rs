//! `session-migrate key`: a fresh entry for SESSION_KEYS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::CommandOutput;
use super::error::CliError;

/// Returns `id:base64 of 32 random bytes`. Without an id it draws one, for two keys of a ring need
/// different ones.
pub(crate) fn fresh(id: Option<&str>) -> Result<CommandOutput, CliError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let mut drawn = [0_u8; 4];
    getrandom::fill(bytes.as_mut())
        .and_then(|()| getrandom::fill(&mut drawn))
        .map_err(|error| CliError::failure(format!("the system gives no random bytes: {error}")))?;
    let drawn = format!("k{:08x}", u32::from_be_bytes(drawn));
    let entry = format!("{}:{}", id.unwrap_or(&drawn), STANDARD.encode(bytes.as_ref()));
    // What it prints can be used.
    session_core::Keyring::parse(&entry)
        .map_err(|error| CliError::usage(format!("the id of the key: {error}")))?;
    Ok(CommandOutput::success(entry))
}

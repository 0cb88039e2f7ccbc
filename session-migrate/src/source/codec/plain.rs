use session_core::Timestamp;

use super::{CodecError, KeyUse, Opened, TokenCodec};
use crate::sql::Cell;

/// Tokens that are stored as they are, in text or bytes.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl TokenCodec for Plain {
    fn open(&self, stored: &Cell) -> Result<Opened, CodecError> {
        let bytes = stored.as_bytes().ok_or(CodecError::Malformed)?;
        Ok(Opened::new(bytes.to_vec(), KeyUse::None))
    }

    fn seal(&self, plain: &[u8], like: &Cell, _now: Timestamp) -> Result<Cell, CodecError> {
        Ok(match like {
            Cell::Bytes(_) => Cell::Bytes(plain.to_vec()),
            _ => Cell::from_text_bytes(plain.to_vec()),
        })
    }
}

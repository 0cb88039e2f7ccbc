//! AES in CBC mode with PKCS #7 padding, for the codecs that authenticate in their own ways.

use aes::{Aes128, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use zeroize::Zeroizing;

use super::CodecError;

pub(super) const IV_BYTES: usize = 16;

/// The plaintext; `None` if the padding is none, or the key has not 16 or 32 bytes.
pub(super) fn open(key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let plain = match key.len() {
        16 => cbc::Decryptor::<Aes128>::new_from_slices(key, iv)
            .ok()?
            .decrypt_padded::<Pkcs7>(&mut buffer)
            .ok()?,
        _ => cbc::Decryptor::<Aes256>::new_from_slices(key, iv)
            .ok()?
            .decrypt_padded::<Pkcs7>(&mut buffer)
            .ok()?,
    };
    Some(Zeroizing::new(plain.to_vec()))
}

/// The ciphertext under a key of 16 or 32 bytes.
pub(super) fn seal(key: &[u8], iv: &[u8], plain: &[u8]) -> Result<Vec<u8>, CodecError> {
    let malformed = |_| CodecError::Malformed;
    Ok(match key.len() {
        16 => cbc::Encryptor::<Aes128>::new_from_slices(key, iv)
            .map_err(malformed)?
            .encrypt_padded_vec::<Pkcs7>(plain),
        _ => cbc::Encryptor::<Aes256>::new_from_slices(key, iv)
            .map_err(malformed)?
            .encrypt_padded_vec::<Pkcs7>(plain),
    })
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], CodecError> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|_| CodecError::RandomnessError)?;
    Ok(bytes)
}

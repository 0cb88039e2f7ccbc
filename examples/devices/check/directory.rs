//! A temporary directory.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::startup_error::StartupError;

/// A new directory, removed on drop.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Result<Self, StartupError> {
        let failed = "cannot create a temporary directory";
        let name = random_name("devices-check").map_err(|e| StartupError::caused_by(failed, e))?;
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|error| StartupError::caused_by(failed, error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // The system cleans up what cannot be removed here.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns `kind` with 64 random bits appended.
pub(super) fn random_name(kind: &str) -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{kind}-{:016x}", u64::from_be_bytes(bytes)))
}

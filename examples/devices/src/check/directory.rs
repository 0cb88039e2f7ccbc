//! A directory that goes with the check.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::failure::Failure;
use crate::keys::random_name;

/// A new directory, removed on drop.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Result<Self, Failure> {
        let failed = "there is no temporary directory";
        let name = random_name("devices-check").map_err(|e| Failure::caused_by(failed, e))?;
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|error| Failure::caused_by(failed, error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left of it is the system's to clean.
        let _ = fs::remove_dir_all(&self.0);
    }
}

//! A file lock of the operating system, beside a SQLite file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use sea_orm_migration::sea_orm::DatabaseConnection;

use super::acquisition::Acquisition;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::sql::sqlite_file;

/// A file that this process has locked; it is deleted with the lock.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    file: File,
    owner: String,
}

impl FileLock {
    /// Returns the name of this process that the file holds.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The file is still locked here: a process that opened it before finds, once it gets the
        // lock, that the path leads to another file.
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

/// Returns the lock file's path, beside the database; none for a database in memory.
pub(super) async fn lock_path(
    connection: &DatabaseConnection,
) -> Result<Option<PathBuf>, MigrateError> {
    let file = sqlite_file(connection).await?;
    Ok(file.map(|file| PathBuf::from(format!("{}.session-migrate-lock", file.display()))))
}

fn failed(error: std::io::Error) -> MigrateError {
    MigrateError::because(MigrateErrorKind::Statement, "the lock file beside the database")
        .caused_by(error)
}

pub(super) fn take(path: &Path, owner: &str) -> Result<Acquisition<FileLock>, MigrateError> {
    loop {
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(failed)?;
        match file.try_lock() {
            Ok(()) if !is_at(&file, path) => continue,
            Ok(()) => {
                file.set_len(0).map_err(failed)?;
                file.rewind().map_err(failed)?;
                file.write_all(owner.as_bytes()).map_err(failed)?;
                let (path, owner) = (path.to_owned(), owner.to_owned());
                return Ok(Acquisition::Acquired(FileLock { path, file, owner }));
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Empty while the owner is just writing its name.
                let _ = file.read_to_string(&mut holder);
                return Ok(Acquisition::HeldBy(holder));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

/// Returns whether the path still leads to this file: its last owner deletes it.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let (Ok(mine), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (mine.dev(), mine.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::super::acquisition::Acquisition;
    use super::take;

    #[test]
    fn one_has_it_and_the_other_is_told_who() {
        let name = format!("session-migrate-lock-test-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let Acquisition::Acquired(first) = take(&path, "process 1").unwrap() else {
            panic!("it was free")
        };
        let Acquisition::HeldBy(holder) = take(&path, "process 2").unwrap() else {
            panic!("two have it")
        };
        assert_eq!(holder, "process 1");
        drop(first);
        assert!(!path.exists(), "nothing is left behind");
        assert!(matches!(take(&path, "process 2").unwrap(), Acquisition::Acquired(_)));
    }
}

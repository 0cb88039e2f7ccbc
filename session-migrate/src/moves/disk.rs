//! What an apply needs of the disk, where a side of the move is a SQLite file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::engine::{MoveContext, count_rows};
use crate::error::MigrateError;
use crate::sql::pool::sqlite_path;
use crate::sql::{Dialect, Query, sqlite_file};

/// The least space that a session takes in a SQLite file, with its sealed tokens and its indexes.
const MIN_SESSION_BYTES: u64 = 500;

/// What an apply writes into a folder.
#[derive(Debug)]
struct DiskUse {
    /// The database and what is written, for people.
    what: &'static str,
    /// The database's file, if the apply writes into it.
    file: Option<PathBuf>,
    folder: PathBuf,
    bytes: u64,
}

/// A file system, and how many bytes are free on it.
#[derive(Debug, Clone, Copy)]
struct Volume {
    id: u64,
    free: u64,
}

/// Returns what is missing: the right to write a file or into its folder, or space. Nothing on servers,
/// whose disks cannot be seen from here.
pub(super) async fn obstacles(context: &MoveContext) -> Result<Vec<String>, MigrateError> {
    let uses: Vec<DiskUse> =
        [backup(context).await?, target(context).await?].into_iter().flatten().collect();
    let mut found = unwritable(&uses);
    found.extend(online_source(context).await?);
    let volume = |folder: &Path| system::volume(folder).map(|(id, free)| Volume { id, free });
    found.extend(shortages(&uses, volume));
    Ok(found)
}

/// Returns what the backup takes that an offline apply makes of a SQLite source.
async fn backup(context: &MoveContext) -> Result<Option<DiskUse>, MigrateError> {
    let Some(file) = source_file(context).await?.filter(|_| !context.options.is_online) else {
        return Ok(None);
    };
    let sql = "SELECT (c.page_count - f.freelist_count) * s.page_size FROM pragma_page_count AS c, \
        pragma_freelist_count AS f, pragma_page_size AS s";
    let bytes = Query::new(Dialect::Sqlite, sql).number(&context.source).await?;
    Ok(Some(DiskUse { what: "a backup of the source", file: None, folder: folder(&file), bytes }))
}

/// Returns what the sessions take, if the target is a SQLite file.
async fn target(context: &MoveContext) -> Result<Option<DiskUse>, MigrateError> {
    let Some(path) = sqlite_path(context.options.target()).map(PathBuf::from) else {
        return Ok(None);
    };
    let bytes = count_rows(context).await?.saturating_mul(MIN_SESSION_BYTES);
    let folder = folder(&path);
    Ok(Some(DiskUse { what: "the target", file: path.exists().then_some(path), folder, bytes }))
}

async fn source_file(context: &MoveContext) -> Result<Option<PathBuf>, MigrateError> {
    match Dialect::of(context.source.get_database_backend()) {
        Dialect::Sqlite => Ok(sqlite_file(&context.source).await?),
        _ => Ok(None),
    }
}

/// Returns why an online apply cannot log the changes of a SQLite source.
async fn online_source(context: &MoveContext) -> Result<Option<String>, MigrateError> {
    let file = source_file(context).await?.filter(|_| context.options.is_online);
    let what = "the source";
    Ok(file.and_then(|file| {
        let of = DiskUse { what, folder: folder(&file), file: Some(file), bytes: 0 };
        unwritable(&[of]).pop()
    }))
}

/// Returns the folder of a file, in which SQLite creates a journal beside it.
fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn unwritable(uses: &[DiskUse]) -> Vec<String> {
    let refused = |path: &Path| !system::may_write(path);
    let line = |of: &DiskUse| match &of.file {
        Some(file) if refused(file) => {
            Some(format!("{}: this user may not write {}", of.what, file.display()))
        }
        _ if refused(&of.folder) => {
            Some(format!("{}: this user may not create files in {}", of.what, of.folder.display()))
        }
        _ => None,
    };
    uses.iter().filter_map(line).collect()
}

/// Returns which file systems have less space than an apply takes at least.
fn shortages(uses: &[DiskUse], volume: impl Fn(&Path) -> Option<Volume>) -> Vec<String> {
    let mut needed: BTreeMap<u64, (Volume, u64, Vec<&str>)> = BTreeMap::new();
    for of in uses {
        let Some(on) = volume(&of.folder) else { continue };
        let (_, bytes, what) = needed.entry(on.id).or_insert((on, 0, Vec::new()));
        *bytes = bytes.saturating_add(of.bytes);
        what.push(of.what);
    }
    let short = needed.into_values().filter(|(on, bytes, _)| on.free < *bytes);
    let line = |(on, bytes, what): (Volume, u64, Vec<&str>)| {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        format!(
            "{} MiB are free for {}, and at least {} are needed",
            on.free >> 20,
            what.join(" and "),
            mib(bytes)
        )
    };
    short.map(line).collect()
}

#[cfg(unix)]
mod system {
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use rustix::fs::{Access, access, statvfs};

    pub(super) fn may_write(path: &Path) -> bool {
        path.to_str().is_none_or(|path| access(path, Access::WRITE_OK).is_ok())
    }

    /// Returns the id of a folder's file system, and how many bytes are free there.
    pub(super) fn volume(folder: &Path) -> Option<(u64, u64)> {
        let (of, space) = (std::fs::metadata(folder).ok()?, statvfs(folder.to_str()?).ok()?);
        Some((of.dev(), space.f_bavail.saturating_mul(space.f_frsize)))
    }
}

/// Other systems are not asked: there the apply itself fails.
#[cfg(not(unix))]
mod system {
    use std::path::Path;

    pub(super) fn may_write(_: &Path) -> bool {
        true
    }

    pub(super) fn volume(_: &Path) -> Option<(u64, u64)> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{DiskUse, Volume, shortages};

    const MIB: u64 = 1 << 20;

    fn uses(folders: [&str; 2], mib: u64) -> [DiskUse; 2] {
        let names = ["a backup of the source", "the target"];
        [0, 1].map(|at| DiskUse {
            what: names[at],
            file: None,
            folder: PathBuf::from(folders[at]),
            bytes: mib * MIB,
        })
    }

    #[test]
    fn what_is_written_to_one_file_system_adds_up() {
        let free = |mib: u64| {
            move |folder: &Path| {
                let id = u64::from(folder.starts_with("/b"));
                Some(Volume { id, free: mib * MIB })
            }
        };
        assert_eq!(shortages(&uses(["/a", "/b"], 3), free(3)), [""; 0]);
        assert_eq!(
            shortages(&uses(["/a", "/a"], 3), free(5)),
            ["5 MiB are free for a backup of the source and the target, and at least 6 are needed"]
        );
        let each = shortages(&uses(["/a", "/b"], 3), free(2));
        assert_eq!(each.len(), 2, "{each:?}");
        assert_eq!(shortages(&uses(["/a", "/a"], 3), |_| None), [""; 0], "nothing is known");
    }
}

//! Databases with the tables of the crates, which tests copy instead of migrating their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, process};

use super::Kind;
use super::fresh::{FILE, on_server};

/// Returns the template of a kind, which the first test of a run that needs it creates: the path of
/// a file on SQLite, the name of a database on PostgreSQL. Otherwise there is none: MySQL cannot copy
/// a database, and without `SESSION_TEST_RUN` a template would outlive the run.
pub(super) async fn of(kind: Kind) -> Option<String> {
    if matches!(kind, Kind::MariaDb | Kind::MySql) {
        return None;
    }
    let run = PathBuf::from(env::var_os("SESSION_TEST_RUN")?);
    // One template per test program: another program may be built from other migrations.
    let program = env::current_exe().ok()?;
    let program = program.file_name()?.to_str()?.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let program = &program[program.len().saturating_sub(40)..];
    let name = format!("template_{program}").to_lowercase();
    let ready = run.join(format!("{name}.{kind:?}"));
    if !ready.exists() {
        let lock = File::create(run.join(format!("{name}.lock"))).expect("a lock file is created");
        lock.lock().expect("the lock is taken");
        if !ready.exists() {
            let template = create(kind, &run, &name).await;
            fs::write(&ready, template).expect("the template is recorded");
        }
    }
    Some(fs::read_to_string(ready).expect("the template is recorded"))
}

async fn create(kind: Kind, run: &Path, name: &str) -> String {
    if kind == Kind::Postgres {
        // A process that was killed may have left it behind.
        on_server(kind, &format!("DROP DATABASE IF EXISTS {name}")).await.expect("it is dropped");
        on_server(kind, &format!("CREATE DATABASE {name}")).await.expect("it is created");
        let mut url = url::Url::parse(&kind.server_url()).expect("the server's address is a URL");
        url.set_path(name);
        session_migrate::up(url.as_str()).await.expect("the tables are created");
        return name.to_owned();
    }
    let folder = run.join(format!("{name}.{}", process::id()));
    fs::create_dir(&folder).expect("a folder is created");
    let file = folder.join(FILE);
    let url = format!("sqlite://{}?mode=rwc", file.display());
    session_migrate::up(&url).await.expect("the tables are created");
    file.display().to_string()
}

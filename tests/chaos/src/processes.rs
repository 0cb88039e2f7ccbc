//! The processes under test: they are started, killed, stopped and continued.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::Rng;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::database::DatabaseLink;
use crate::error::BenchError;

/// The maximum number of sessions of a user: as many as a user has browsers.
pub(crate) const CAP: usize = 4;

/// The bound within which an end is seen by every process.
pub(crate) const MAX_STALENESS: Duration = Duration::from_secs(1);

/// The term of a lease.
pub(crate) const LEASE: Duration = Duration::from_secs(16);

/// How long a process waits for the store: an eighth of the lease.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Any key will do, as long as all processes have it.
const KEYS: &str = "chaos:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How long a process may take to serve.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// The ports that are tried: below those of outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// One process under test.
#[derive(Debug)]
pub(crate) struct TestProcess {
    pub(crate) address: String,
    command: DevicesCommand,
    child: Mutex<Option<Child>>,
    is_away: AtomicBool,
}

/// How a process is started, again and again.
#[derive(Debug)]
struct DevicesCommand {
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    clock: Option<FakeClock>,
}

/// A clock that is ahead of the machine's, or behind it.
#[derive(Clone, Debug)]
pub(crate) struct FakeClock {
    library: String,
    offset_seconds: i64,
}

impl FakeClock {
    /// Returns the clock of one of several processes, from the latest to the earliest; none where all
    /// have the machine's.
    pub(crate) fn of(
        process: usize,
        processes: usize,
        apart_seconds: i64,
    ) -> Result<Option<Self>, BenchError> {
        if apart_seconds == 0 {
            return Ok(None);
        }
        let library = std::env::var("SESSION_TEST_FAKETIME")
            .map_err(|_| BenchError::new("there is no libfaketime: run ./scripts/chaos"))?;
        let steps = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let last = steps(processes.saturating_sub(1)).max(1);
        let offset_seconds = apart_seconds / 2 - apart_seconds * steps(process) / last;
        Ok(Some(Self { library, offset_seconds }))
    }

    /// A timer runs as it does without it.
    fn set(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME", format!("{:+}s", self.offset_seconds))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

impl TestProcess {
    /// Prepares a process on this link.
    pub(crate) fn new(
        program: &Path,
        issuer: &str,
        link: &DatabaseLink,
        log: PathBuf,
        clock: Option<FakeClock>,
    ) -> Result<Self, BenchError> {
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let (cap, staleness) = (CAP.to_string(), MAX_STALENESS.as_millis().to_string());
        let lease = LEASE.as_secs().to_string();
        let arguments = [
            ["--listen", &address],
            ["--database-url", &link.url],
            ["--issuer", issuer],
            ["--client-id", "devices"],
            ["--client-secret", "devices-secret"],
            ["--max-sessions", &cap],
            ["--max-staleness-ms", &staleness],
            ["--lease-seconds", &lease],
        ];
        let arguments: Vec<String> = arguments.concat().into_iter().map(str::to_owned).collect();
        let command = DevicesCommand { program: program.to_owned(), arguments, log, clock };
        Ok(Self { address, command, child: Mutex::default(), is_away: AtomicBool::new(true) })
    }

    /// Starts the process, and waits until it serves.
    pub(crate) async fn start(&self, client: &reqwest::Client) -> Result<(), BenchError> {
        *self.child.lock().await = Some(self.command.spawn()?);
        let url = format!("http://{}/healthz", self.address);
        let serves = async {
            loop {
                let answer = client.get(&url).timeout(Duration::from_secs(2)).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return Ok(());
                }
                self.start_again().await?;
                sleep(PAUSE).await;
            }
        };
        let log = self.command.log.display();
        let late = |_| BenchError::new(format!("a process does not serve: see {log}"));
        timeout(START_TIMEOUT, serves).await.map_err(late)??;
        self.is_away.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Starts the process again if it has ended, as a service is that does not find its database yet.
    async fn start_again(&self) -> Result<(), BenchError> {
        let mut child = self.child.lock().await;
        let ended = child.as_mut().map(|child| child.try_wait());
        if matches!(ended, Some(Ok(Some(_)))) {
            *child = Some(self.command.spawn()?);
        }
        Ok(())
    }

    /// Kills the process, as `kill -9` does.
    pub(crate) async fn kill(&self) -> Result<(), BenchError> {
        self.is_away.store(true, Ordering::Relaxed);
        match self.child.lock().await.as_mut() {
            Some(child) => child.kill().await.map_err(BenchError::because("cannot kill")),
            None => Ok(()),
        }
    }

    /// Stops the process, which keeps its connections and answers nothing.
    pub(crate) async fn freeze(&self) -> Result<(), BenchError> {
        self.is_away.store(true, Ordering::Relaxed);
        self.signal("-STOP").await
    }

    /// Continues the process.
    pub(crate) async fn resume(&self) -> Result<(), BenchError> {
        self.signal("-CONT").await?;
        self.is_away.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Returns whether the process is killed or stopped, so that most browsers avoid it.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    async fn signal(&self, signal: &str) -> Result<(), BenchError> {
        let Some(id) = self.child.lock().await.as_ref().and_then(Child::id) else { return Ok(()) };
        let sent = Command::new("kill").args([signal, &id.to_string()]).status().await;
        match sent.map_err(BenchError::because("cannot run kill"))?.success() {
            true => Ok(()),
            false => Err(BenchError::new(format!("kill {signal} failed"))),
        }
    }
}

impl DevicesCommand {
    fn spawn(&self) -> Result<Child, BenchError> {
        let failed = BenchError::because("cannot write the log of a process");
        let log = File::options().create(true).append(true).open(&self.log).map_err(failed)?;
        let mut command = Command::new(&self.program);
        if let Some(clock) = &self.clock {
            clock.set(&mut command);
        }
        command
            .args(&self.arguments)
            .env("SESSION_KEYS", KEYS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(BenchError::because("cannot start `devices`"))
    }
}

/// Returns a port that no process listens on, not chosen by the seed: runs may overlap.
fn free_port() -> Result<u16, BenchError> {
    let mut random = rand::thread_rng();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut tried = std::iter::repeat_with(|| random.gen_range(PORTS)).take(200);
    tried.find(is_free).ok_or_else(|| BenchError::new("no port of the loopback interface is free"))
}

/// Returns the program `devices`, which the build leaves beside this program or one folder above.
pub(crate) fn find_devices(given: Option<PathBuf>) -> Result<PathBuf, BenchError> {
    if let Some(given) = given {
        return Ok(given);
    }
    let own = std::env::current_exe().map_err(BenchError::because("cannot find this program"))?;
    let name = format!("devices{}", std::env::consts::EXE_SUFFIX);
    let near = own.ancestors().skip(1).take(2).map(|folder| folder.join(&name));
    near.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        BenchError::new("there is no program `devices` beside this one: build it with `cargo build --workspace --all-features`")
    })
}

//! One run, from the start of the processes to the verdict.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::browser::Browser;
use crate::browsing::Visit;
use crate::database::RunDatabase;
use crate::error::BenchError;
use crate::history::{self, HistoryWriter, Record, Run};
use crate::options::Options;
use crate::processes::{
    CAP, FakeClock, LEASE, MAX_STALENESS, STORE_TIMEOUT, TestProcess, find_devices,
};
use crate::provider::{RunClock, RunProvider};
use crate::report::Report;
use crate::schedule::Schedule;
use crate::site::Site;
use crate::{checker, faults};

/// How long everything is in order before the last check.
const QUIET: Duration = Duration::from_secs(6);

/// How often the provider's records are fetched.
const RECORD_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the bench, or checks a history again.
///
/// # Errors
///
/// Returns an error if something could not be started or caused. What the checker finds is in the
/// report.
pub async fn run(options: Options) -> Result<Report, BenchError> {
    let file = match &options.check {
        Some(file) => file.clone(),
        None => Box::pin(record(&options)).await?,
    };
    let read = tokio::task::spawn_blocking(move || {
        let records = history::read(&file)?;
        Ok::<_, std::io::Error>(Report::new(file, checker::check(&records)))
    });
    let failed = BenchError::because("cannot read the history");
    read.await.map_err(BenchError::because("the checker failed"))?.map_err(failed)
}

/// Runs processes, browsers and faults, and returns the file of the history.
async fn record(options: &Options) -> Result<PathBuf, BenchError> {
    let folder = output_folder(options)?;
    let file = folder.join("history.jsonl");
    let failed = BenchError::because("cannot write the history");
    let history = Arc::new(HistoryWriter::create(&file).map_err(&failed)?);
    history.write(&Record::Run(description(options)));
    let clock = RunClock::start();
    let provider = Arc::new(RunProvider::start(clock, options.clocks_apart()).await?);
    let site = start_site(options, &folder, &provider, Arc::clone(&history), clock).await?;
    let recording = tokio::spawn(keep_recording(Arc::clone(&provider), Arc::clone(&history)));
    let watching = tokio::spawn(faults::watch_machine(Arc::clone(&site)));
    let (stop, stopped) = watch::channel(false);
    let mut visits = JoinSet::new();
    for number in 0..options.browsers {
        let visit =
            Visit::new(browser(&site, number, options), options.seed ^ (u64::from(number) << 32));
        visits.spawn(visit.run(stopped.clone()));
    }
    cause_faults(options, &site, &provider).await?;
    sleep(QUIET).await;
    stop.send_replace(true);
    let visits = visits.join_all().await;
    // What browsers had ended last is over everywhere now.
    sleep(MAX_STALENESS * 2).await;
    let mut checks: JoinSet<()> = visits.into_iter().map(Visit::check_finally).collect();
    while checks.join_next().await.is_some() {}
    recording.abort();
    watching.abort();
    provider.record(&history);
    history.flush().map_err(&failed)?;
    Ok(file)
}

fn browser(site: &Arc<Site>, number: u32, options: &Options) -> Browser {
    let users = (options.browsers / 4).max(1);
    let user = format!("user{}", number % users);
    Browser { site: Arc::clone(site), number, user, is_final: false }
}

async fn cause_faults(
    options: &Options,
    site: &Arc<Site>,
    provider: &Arc<RunProvider>,
) -> Result<(), BenchError> {
    let plan = Schedule::plan(options.seed, options.duration(), options.database, LEASE);
    let provider = faults::on_provider(Arc::clone(site), Arc::clone(provider), plan.provider);
    let (_, caused, ()) = tokio::join!(
        sleep(options.duration()),
        faults::on_processes(Arc::clone(site), plan.processes),
        provider,
    );
    caused
}

pub(crate) async fn start_site(
    options: &Options,
    folder: &Path,
    provider: &RunProvider,
    history: Arc<HistoryWriter>,
    clock: RunClock,
) -> Result<Arc<Site>, BenchError> {
    let program = find_devices(options.devices.clone())?;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_built_in_root_certs(false)
        .build()
        .map_err(BenchError::because("cannot create the browsers"))?;
    let run = format!("chaos_{}_{}", std::process::id(), options.seed);
    let database = RunDatabase::create(options.database, &run).await?;
    let mut processes = Vec::new();
    for (number, link) in database.links.iter().enumerate() {
        let log = folder.join(format!("process-{number}.log"));
        let clock = FakeClock::of(number, database.links.len(), options.clocks_apart)?;
        let process = TestProcess::new(&program, provider.issuer(), link, log, clock)?;
        // One after the other: the first creates the tables.
        process.start(&client).await?;
        processes.push(process);
    }
    Ok(Arc::new(Site::new(client, processes, database, history, clock)))
}

async fn keep_recording(provider: Arc<RunProvider>, history: Arc<HistoryWriter>) {
    let mut ticks = interval(RECORD_INTERVAL);
    loop {
        ticks.tick().await;
        provider.record(&history);
    }
}

fn description(options: &Options) -> Run {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Run {
        seed: options.seed,
        database: format!("{:?}", options.database).to_lowercase(),
        cap: CAP,
        max_staleness_ms: millis(MAX_STALENESS),
        replication_ms: options.database.replication_ms(),
        lease_ms: millis(LEASE),
        store_timeout_ms: millis(STORE_TIMEOUT),
    }
}

pub(crate) fn output_folder(options: &Options) -> Result<PathBuf, BenchError> {
    let name = format!("chaos-{:?}-{}-{}", options.database, options.seed, std::process::id());
    let folder =
        options.output.clone().unwrap_or_else(|| std::env::temp_dir().join(name.to_lowercase()));
    std::fs::create_dir_all(&folder).map_err(BenchError::because("cannot create the folder"))?;
    Ok(folder)
}

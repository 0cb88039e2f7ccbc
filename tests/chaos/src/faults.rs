//! Causes the planned faults, and records each.

use std::sync::Arc;
use std::time::Duration;

use identity_provider::{Control, Endpoint, Fault as ProviderFault, ScriptedResponse};
use reqwest::StatusCode;
use tokio::time::sleep;

use crate::error::BenchError;
use crate::history::{Fault, FaultKind, Record};
use crate::provider::RunProvider;
use crate::schedule::PlannedFault;
use crate::site::Site;

/// How many answers are lost, or connections closed, at a time.
const PROVIDER_FAULTS: usize = 4;

/// The latency of a slow provider, well below the timeout of a quarter of the lease.
const LATENCY: Duration = Duration::from_millis(1_500);

/// Causes the faults of the processes and their database connections, one after the other.
pub(crate) async fn on_processes(
    site: Arc<Site>,
    planned: Vec<PlannedFault>,
) -> Result<(), BenchError> {
    site.database.until_safe().await?;
    for fault in planned {
        sleep(fault.after).await;
        let start = site.clock.now();
        match fault.kind.is_of_server() {
            true => site.database.disturb(fault.kind, fault.server).await?,
            false => disturb(&site, &fault).await?,
        }
        for process in fault.processes {
            record(&site, start, fault.kind, Some(process));
        }
        if fault.kind.is_of_server() {
            // Until then no other fault may hit a server: what it confirms is nowhere else.
            site.database.until_safe().await?;
        }
    }
    Ok(())
}

async fn disturb(site: &Site, fault: &PlannedFault) -> Result<(), BenchError> {
    for process in &fault.processes {
        begin(site, fault.kind, *process).await?;
    }
    sleep(fault.lasts).await;
    for process in &fault.processes {
        heal(site, fault.kind, *process).await?;
    }
    Ok(())
}

async fn begin(site: &Site, kind: FaultKind, process: usize) -> Result<(), BenchError> {
    let (process, link) = site.process(process)?;
    match (kind, &link.proxy) {
        (FaultKind::Kill, _) => process.kill().await,
        (FaultKind::Freeze, _) => process.freeze().await,
        (FaultKind::CutDatabase, Some(proxy)) => {
            proxy.cut().await.map_err(BenchError::because("cannot cut"))
        }
        (FaultKind::FreezeDatabase, Some(proxy)) => {
            proxy.freeze();
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn heal(site: &Site, kind: FaultKind, process: usize) -> Result<(), BenchError> {
    let (process, link) = site.process(process)?;
    match (kind, &link.proxy) {
        (FaultKind::Kill, _) => process.start(&site.client).await,
        (FaultKind::Freeze, _) => process.resume().await,
        (_, Some(proxy)) => proxy.restore().map_err(BenchError::because("cannot restore")),
        _ => Ok(()),
    }
}

/// Causes the faults of the provider, one after the other.
pub(crate) async fn on_provider(
    site: Arc<Site>,
    provider: Arc<RunProvider>,
    planned: Vec<PlannedFault>,
) {
    for fault in planned {
        sleep(fault.after).await;
        let start = site.clock.now();
        begin_at_provider(provider.control(), fault.kind);
        sleep(fault.lasts).await;
        provider.control().clear_faults();
        provider.control().set_latency(Duration::ZERO);
        record(&site, start, fault.kind, None);
    }
}

fn begin_at_provider(control: &Control, kind: FaultKind) {
    let outage = |response| control.set_outage(Endpoint::Token, Some(response));
    let each = |fault: fn() -> ProviderFault| {
        for _ in 0..PROVIDER_FAULTS {
            control.push_fault_at(Endpoint::Renewal, fault());
        }
    };
    match kind {
        FaultKind::SlowProvider => control.set_latency(LATENCY),
        FaultKind::FailingProvider => {
            outage(ScriptedResponse::new(StatusCode::SERVICE_UNAVAILABLE));
        }
        FaultKind::BusyProvider => {
            let busy = ScriptedResponse::new(StatusCode::TOO_MANY_REQUESTS);
            outage(busy.retry_after_seconds(1));
        }
        FaultKind::ClosingProvider => each(ProviderFault::close),
        _ => each(ProviderFault::lose_response),
    }
}

/// How often the machine is asked whether it runs the bench, and how late an answer is a stall.
const BEAT: Duration = Duration::from_millis(100);
const STALL: Duration = Duration::from_millis(350);

/// Records when the machine was too busy to run the bench, so that its processes were too slow too.
pub(crate) async fn watch_machine(site: Arc<Site>) {
    let limit = u64::try_from(STALL.as_micros()).unwrap_or(u64::MAX);
    loop {
        let start = site.clock.now();
        sleep(BEAT).await;
        if site.clock.now() - start > limit {
            record(&site, start, FaultKind::Stall, None);
        }
    }
}

fn record(site: &Site, start: u64, kind: FaultKind, process: Option<usize>) {
    let end = site.clock.now();
    site.history.write(&Record::Fault(Fault { start, end, kind, process }));
}

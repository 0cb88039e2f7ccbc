//! The plan of a run's faults, which the seed decides.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::history::FaultKind;
use crate::options::DatabaseChoice;

/// What a plan reckons with for a failover, until the old primary follows the new one.
const FAILOVER: Duration = Duration::from_secs(15);

/// A fault that is to be caused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedFault {
    /// How long after the fault before it.
    pub(crate) after: Duration,
    pub(crate) kind: FaultKind,
    /// How long it lasts; a killed process is started again after it.
    pub(crate) lasts: Duration,
    /// The processes that it concerns; none for the provider's.
    pub(crate) processes: Vec<usize>,
    /// Which server of a cluster is killed.
    pub(crate) server: usize,
}

/// What happens to the processes and the database, and beside it to the provider.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) processes: Vec<PlannedFault>,
    pub(crate) provider: Vec<PlannedFault>,
}

impl Schedule {
    /// Plans for as long as faults are caused.
    pub(crate) fn plan(seed: u64, lasts: Duration, on: DatabaseChoice, lease: Duration) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let on_processes = |random: &mut StdRng| process_fault(random, on, lease);
        Self {
            processes: fill(&mut random, lasts, on_processes),
            provider: fill(&mut random, lasts, provider_fault),
        }
    }
}

/// Plans one fault after the other until the time is used up. One that does not fit is left out.
fn fill(
    random: &mut StdRng,
    lasts: Duration,
    next: impl Fn(&mut StdRng) -> PlannedFault,
) -> Vec<PlannedFault> {
    let (mut planned, mut used, mut refused) = (Vec::new(), Duration::ZERO, 0);
    while refused < 20 {
        let fault = next(random);
        if used + fault.after + fault.lasts > lasts {
            refused += 1;
        } else {
            used += fault.after + fault.lasts;
            planned.push(fault);
        }
    }
    planned
}

/// Returns what can happen to the processes and to this database.
const fn process_faults(on: DatabaseChoice) -> &'static [FaultKind] {
    use FaultKind::{
        CutDatabase, Freeze, FreezeDatabase, Kill, KillNode, KillPrimary, SwitchPrimary,
    };

    match on {
        // A file has no connection that could be cut.
        DatabaseChoice::Sqlite => &[Kill, Kill, Freeze],
        DatabaseChoice::Patroni => {
            &[Kill, Freeze, CutDatabase, FreezeDatabase, KillPrimary, KillPrimary, SwitchPrimary]
        }
        DatabaseChoice::Galera => &[Kill, Kill, Freeze, CutDatabase, FreezeDatabase, KillNode],
        _ => &[Kill, Kill, Freeze, CutDatabase, FreezeDatabase],
    }
}

fn process_fault(random: &mut StdRng, on: DatabaseChoice, lease: Duration) -> PlannedFault {
    let kind = process_faults(on).choose(random).copied().unwrap_or(FaultKind::Kill);
    let lasts = match kind {
        FaultKind::Kill => between(random, 0, 2_000),
        FaultKind::Freeze if random.gen_ratio(1, 3) => lease + between(random, 1_000, 4_000),
        FaultKind::Freeze => between(random, 200, 2_500),
        // As long as the standby needs.
        kind if kind.is_of_server() => FAILOVER,
        _ => between(random, 300, 6_000),
    };
    let one = random.gen_range(0..on.processes());
    // The other nodes of a cluster wait until they know that one is gone.
    let is_of_all = kind.is_of_server() || (kind.is_of_database() && random.gen_ratio(1, 3));
    let processes = if is_of_all { (0..on.processes()).collect() } else { vec![one] };
    PlannedFault { after: between(random, 1_500, 7_000), kind, lasts, processes, server: one }
}

fn provider_fault(random: &mut StdRng) -> PlannedFault {
    let kinds = [
        FaultKind::SlowProvider,
        FaultKind::FailingProvider,
        FaultKind::BusyProvider,
        FaultKind::ClosingProvider,
        FaultKind::LostAnswers,
    ];
    let kind = kinds.choose(random).copied().unwrap_or(FaultKind::SlowProvider);
    let (after, lasts) = (between(random, 3_000, 12_000), between(random, 500, 4_000));
    PlannedFault { after, kind, lasts, processes: Vec::new(), server: 0 }
}

fn between(random: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(random.gen_range(from..=to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(16);

    #[test]
    fn a_seed_gives_the_same_plan_and_another_seed_another_one() {
        let plan =
            |seed| Schedule::plan(seed, Duration::from_secs(120), DatabaseChoice::Postgres, LEASE);
        assert_eq!(plan(1).processes, plan(1).processes);
        assert_ne!(plan(1).processes, plan(2).processes);
        assert_ne!(plan(1).provider, plan(2).provider);
    }

    #[test]
    fn a_plan_fits_and_has_faults_of_every_kind() {
        let lasts = Duration::from_secs(1200);
        let plan = Schedule::plan(7, lasts, DatabaseChoice::Patroni, LEASE);
        let both = [&plan.processes, &plan.provider];
        for lane in both {
            let used: Duration = lane.iter().map(|fault| fault.after + fault.lasts).sum();
            assert!(used <= lasts && used > lasts / 2);
        }
        let mut kinds: Vec<_> = both.into_iter().flatten().map(|fault| fault.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 11);
        let alone = Schedule::plan(7, lasts, DatabaseChoice::Sqlite, LEASE).processes;
        let is_of_process =
            |fault: &PlannedFault| matches!(fault.kind, FaultKind::Kill | FaultKind::Freeze);
        assert!(alone.iter().all(is_of_process));
    }
}

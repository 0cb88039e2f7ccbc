//! What it costs to watch many sessions, whose streams wait for their end.

use std::time::Duration;

use session_core::manager::{Resolution, SignIn};
use session_core::store::memory::MemoryStore;
use session_core::testing::FaultyStore;
use session_core::{ProviderName, SessionManager, SessionPolicy, UserId};

use crate::miss::keyring;
use crate::sample::Login;

const WATCHED: usize = 100_000;
const SPAN: Duration = Duration::from_secs(20);

/// Prints the calls to the store and the processor's time per second while nothing happens.
pub(crate) async fn print() {
    let store = FaultyStore::new(MemoryStore::new());
    let manager = SessionManager::builder(store.clone())
        .policy(SessionPolicy::builder().unlimited().build().unwrap())
        .keyring(keyring())
        .start()
        .await
        .unwrap();
    let mut signals = Vec::with_capacity(WATCHED);
    for number in 0..WATCHED {
        signals.push(watched(&manager, number).await);
    }
    // The watcher takes them over.
    tokio::time::sleep(Duration::from_secs(6)).await;
    store.reset_calls();
    let before = processor_time();
    tokio::time::sleep(SPAN).await;
    let seconds = SPAN.as_secs_f64();
    println!(
        "{WATCHED} watched sessions, a second: {:.2} calls to the store, {:.2} ms of the processor",
        store.total_calls() as f64 / seconds,
        (processor_time() - before).as_secs_f64() * 1_000.0 / seconds
    );
    drop(signals);
}

async fn watched(manager: &SessionManager, number: usize) -> session_core::manager::EndedSignal {
    let login = Login::of(number);
    let user = UserId::new(&login.user).unwrap();
    let provider = ProviderName::new(&login.provider).unwrap();
    let signed_in = manager.sign_in(SignIn::new(&user, &provider, login.response())).await.unwrap();
    let resolution = manager.resolve(&signed_in.secret.digest(), None).await.unwrap();
    let Resolution::Live(live) = resolution else { panic!("{resolution:?}") };
    live.ended_signal()
}

/// Returns the time that this process has spent on processors, of all its threads.
fn processor_time() -> Duration {
    /// Ticks of the kernel's accounting: 100 a second on Linux.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
    let ticks: u32 = [11, 12].iter().map(|field| fields[*field].parse::<u32>().unwrap()).sum();
    TICK * ticks
}

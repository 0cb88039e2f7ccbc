//! An application that goes on writing, as a process of its own.

use std::io::BufRead as _;
use std::time::{Duration, Instant};

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, Statement};

/// Writes rows at this rate until the standard input ends or writes are blocked. Each line that is
/// read begins another part; at its end the 99th percentile of the latencies is printed, in
/// microseconds.
pub(crate) async fn write(url: &str, rate: u64) {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await.unwrap();
    let backend = connection.get_database_backend();
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let _ = sender.send(line);
        }
    });
    let mut pace = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap());
    let mut latencies: Vec<u128> = Vec::new();
    for at in 0_u64.. {
        pace.tick().await;
        match lines.try_recv() {
            Ok(_) => print(&mut latencies),
            Err(tokio::sync::mpsc::error::TryRecvError::Disconnected) => break,
            Err(tokio::sync::mpsc::error::TryRecvError::Empty) => {}
        }
        let begun = Instant::now();
        let done = connection.execute_raw(Statement::from_string(backend, statement(at))).await;
        latencies.push(begun.elapsed().as_micros());
        if done.is_err() {
            break;
        }
    }
    print(&mut latencies);
}

/// Returns a sign-in, a renewal, or a sign-out.
fn statement(at: u64) -> String {
    let user = at * 7919 % 10_000;
    match at % 5 {
        0 => format!(
            "INSERT INTO oauth_session SELECT 'written-{at}', user_id, provider, token, expires_at, \
             created_at + 1, updated_at FROM oauth_session WHERE user_id = 'user-{user}' LIMIT 1"
        ),
        1 => format!("DELETE FROM oauth_session WHERE id = 'written-{}'", at.saturating_sub(50)),
        _ => format!(
            "UPDATE oauth_session SET expires_at = expires_at + 1 WHERE user_id = 'user-{user}'"
        ),
    }
}

fn print(latencies: &mut Vec<u128>) {
    latencies.sort_unstable();
    let at = latencies.len() * 99 / 100;
    println!("{}", latencies.get(at).or(latencies.last()).copied().unwrap_or(0));
    latencies.clear();
}

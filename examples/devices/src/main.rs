//! The demonstration: an axum application with a page of the user's devices.
//!
//! ```text
//! cargo run -p devices                serves on 127.0.0.1:3000, with a built-in identity provider
//! cargo run -p devices -- --check     plays the whole story by itself and says what held
//! cargo run -p devices -- --help      the flags
//! ```
//!
//! Any number of copies may run on one database; a further one joins the first's identity provider
//! with `--issuer http://127.0.0.1:3001 --client-id devices --client-secret devices-secret`. A
//! database belongs to one issuer: a user's id is the `sub` that the issuer knows the person by.

mod app;
mod check;
mod cli;
mod database;
mod failure;
mod identity;
mod keys;
mod listener;
mod page;
mod refusal;
mod routes;
mod settings;
mod sign_in;
mod site;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::cli::Arguments;
use crate::failure::Failure;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The check makes things go wrong on purpose.
    log(if arguments.check { "off" } else { "warn,devices=info,session_core=info" });
    let outcome = if arguments.check {
        Box::pin(check::run(&arguments)).await
    } else {
        Box::pin(serve(&arguments)).await.map(|()| ExitCode::SUCCESS)
    };
    outcome.unwrap_or_else(|failure| {
        // Nobody is left to be told if stderr is closed.
        let _ = writeln!(io::stderr(), "{}", failure.with_causes());
        failure.exit_code()
    })
}

/// Logs to stderr what RUST_LOG says, else this.
fn log(otherwise: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(otherwise));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

/// Serves until the process is asked to end.
async fn serve(arguments: &Arguments) -> Result<(), Failure> {
    // Before anything begins: a signal in the middle of the start must not be lost.
    let asked_to_end = asked_to_end()?;
    let app = App::start(arguments.settings()?).await?;
    tell(&app).map_err(|error| Failure::caused_by("nobody can be told the addresses", error))?;
    asked_to_end.await;
    tracing::info!("ending");
    if !app.shutdown().await {
        tracing::warn!("not everything came to its end in time");
    }
    Ok(())
}

fn tell(app: &App) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "devices: http://{}", app.address())?;
    writeln!(out, "identity provider: {}", app.issuer())?;
    out.flush()
}

#[cfg(unix)]
fn asked_to_end() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error| Failure::caused_by("signals cannot be heard", error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn asked_to_end() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

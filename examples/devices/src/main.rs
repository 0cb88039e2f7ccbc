//! An axum application with a page that lists the user's devices.
//!
//! ```text
//! cargo run -p devices                serves on 127.0.0.1:3000, with a built-in identity provider
//! cargo run -p devices -- --check     runs every scenario by itself and reports the results
//! cargo run -p devices -- --help      the flags
//! ```
//!
//! Any number of copies may run on one database. Further copies use the identity provider of the
//! first: `--issuer http://127.0.0.1:3001 --client-id devices --client-secret devices-secret`. A
//! database belongs to one issuer, because the user id is the issuer's `sub`.

mod app;
mod cli;
mod database;
mod keys;
mod listener;
mod page;
mod provider_client;
mod routes;
mod settings;
mod sign_in;
mod startup_error;

// Not a part of the application: `--check` drives it from outside, over HTTP.
#[path = "../check/mod.rs"]
mod check;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::cli::Arguments;
use crate::startup_error::StartupError;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The check provokes errors on purpose.
    log(if arguments.check { "off" } else { "warn,devices=info,session_core=info" });
    let outcome = if arguments.check {
        Box::pin(check::run(&arguments)).await
    } else {
        Box::pin(serve(&arguments)).await.map(|()| ExitCode::SUCCESS)
    };
    outcome.unwrap_or_else(|error| {
        // If stderr is closed, nothing is left to report to.
        let _ = writeln!(io::stderr(), "{}", error.with_causes());
        error.exit_code()
    })
}

/// Logs to stderr, filtered by RUST_LOG or else by this default.
fn log(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

/// Serves until the process is asked to end.
async fn serve(arguments: &Arguments) -> Result<(), StartupError> {
    // Registered first, so that a signal during the start is not lost.
    let stop_signal = stop_signal()?;
    let app = App::start(arguments.settings()?).await?;
    print_addresses(&app)
        .map_err(|error| StartupError::caused_by("cannot write to stdout", error))?;
    stop_signal.await;
    tracing::info!("shutting down");
    if !app.shutdown().await {
        tracing::warn!("some requests or renewals did not finish in time");
    }
    Ok(())
}

fn print_addresses(app: &App) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "devices: http://{}", app.address())?;
    writeln!(out, "identity provider: {}", app.issuer())?;
    out.flush()
}

#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()>, StartupError> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error| StartupError::caused_by("cannot listen for signals", error);
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
fn stop_signal() -> Result<impl Future<Output = ()>, StartupError> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

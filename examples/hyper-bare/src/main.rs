//! The session layer on plain hyper: without a framework, one task per connection.
//!
//! `cargo run -p hyper-bare` listens on 127.0.0.1:3000 (or the address given as argument). Its
//! demonstration sign-in asks for no password:
//!
//! ```text
//! curl -c jar -b jar -X POST '127.0.0.1:3000/sign-in?user=ann'
//! curl -c jar -b jar 127.0.0.1:3000/
//! curl -c jar -b jar -X POST 127.0.0.1:3000/sign-out
//! ```
//!
//! `cargo run -p hyper-bare -- --check` runs these requests itself and checks the answers.

mod check;
mod site;

use std::error::Error;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::site::Site;

const DEFAULT_ADDRESS: &str = "127.0.0.1:3000";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("--check") {
        return check::run().await;
    }
    let address = argument.as_deref().unwrap_or(DEFAULT_ADDRESS);
    let listener = TcpListener::bind(address).await?;
    print(&format!("listening on http://{}", listener.local_addr()?));
    serve(listener, site::site().await?).await
}

/// Serves the site on this listener until accepting a connection fails.
async fn serve(listener: TcpListener, site: Site) -> Result<(), Box<dyn Error>> {
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(site.clone());
        tokio::spawn(async move {
            // An error here means that the client disconnected.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

#[expect(clippy::print_stdout, reason = "the program reports on the terminal")]
fn print(line: &str) {
    println!("{line}");
}

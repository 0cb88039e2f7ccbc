use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openidconnect::IssuerUrl;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt;

use crate::control::Control;
use crate::fault::NoAnswer;

/// Between two tries to accept while the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A provider that serves in the background. Dropping it closes the listener and all connections.
#[derive(Debug)]
#[must_use = "dropping it stops the provider"]
pub struct RunningProvider {
    address: SocketAddr,
    control: Control,
    issuer: IssuerUrl,
    task: JoinHandle<()>,
}

impl RunningProvider {
    pub(crate) fn new(
        address: SocketAddr,
        issuer: IssuerUrl,
        control: Control,
        task: JoinHandle<()>,
    ) -> Self {
        Self { address, control, issuer, task }
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The handle that changes and reads the provider.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The issuer: `http://` and the address, without a slash at the end.
    #[must_use]
    pub fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// Stops, and comes back when the port is free.
    pub async fn shutdown(mut self) {
        self.task.abort();
        // The task was cancelled: that is the only way in which it ends.
        let _ = (&mut self.task).await;
    }
}

impl Drop for RunningProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn issuer_of(listener: &TcpListener) -> io::Result<(SocketAddr, IssuerUrl)> {
    let address = listener.local_addr()?;
    let issuer = IssuerUrl::new(format!("http://{address}")).map_err(io::Error::other)?;
    Ok((address, issuer))
}

/// Accepts for ever. The connections end with this future.
pub(crate) async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, router.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, router: Router) {
    // Answers are small: without this each waits for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(router.clone(), request));
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// An error makes hyper close the connection and send nothing.
async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, Unanswered> {
    let response = router
        .oneshot(request.map(Body::new))
        .await
        .unwrap_or_else(|never: Infallible| match never {});
    if response.extensions().get::<NoAnswer>().is_some() { Err(Unanswered) } else { Ok(response) }
}

#[derive(Debug, thiserror::Error)]
#[error("a fault closes the connection without an answer")]
struct Unanswered;

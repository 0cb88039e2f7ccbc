//! The HTTP server.

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
use crate::fault::NoResponse;

/// The pause after a failed `accept`, for example when the process is out of sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A provider that runs in the background. Dropping it closes the listener and all connections.
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

    /// Returns the address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the handle that changes and reads the provider.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Returns the issuer: `http://` and the address, without a trailing slash.
    #[must_use]
    pub fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// Stops the provider, and returns when the port is free.
    pub async fn shutdown(mut self) {
        self.task.abort();
        // The task never ends other than by this cancellation.
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

/// Accepts connections for ever. They are closed when this future is dropped.
pub(crate) async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, router.clone()));
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

async fn serve_connection(stream: TcpStream, router: Router) {
    // Without this, each small response waits for the acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(router.clone(), request));
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// An error makes hyper close the connection and send nothing.
async fn respond(router: Router, request: Request<Incoming>) -> Result<Response, ConnectionClosed> {
    let response = router
        .oneshot(request.map(Body::new))
        .await
        .unwrap_or_else(|never: Infallible| match never {});
    if response.extensions().get::<NoResponse>().is_some() {
        Err(ConnectionClosed)
    } else {
        Ok(response)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a fault closes the connection without a response")]
struct ConnectionClosed;

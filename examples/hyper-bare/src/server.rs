//! hyper's own loop.

use std::error::Error;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::site::Site;

/// Serves the site on this listener until it fails.
pub(crate) async fn serve(listener: TcpListener, site: Site) -> Result<(), Box<dyn Error>> {
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(site.clone());
        tokio::spawn(async move {
            // A client that hangs up is no matter of ours.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

//! The listener: on the requested address, or on the next free port.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

/// How many ports are tried, starting at the first.
const MAX_ATTEMPTS: u16 = 200;

/// The address to listen on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listen {
    /// Exactly this address; port 0 takes any free port.
    At(SocketAddr),
    /// Loopback, at this port or the next free one.
    From(u16),
}

impl Listen {
    /// Any free port on loopback.
    pub(crate) const ANYWHERE: Self = Self::At(SocketAddr::new(LOOPBACK, 0));

    pub(crate) async fn bind(self) -> io::Result<TcpListener> {
        match self {
            Self::At(address) => TcpListener::bind(address).await,
            Self::From(first) => bind_from(first).await,
        }
    }
}

const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn bind_from(first: u16) -> io::Result<TcpListener> {
    for port in first..first.saturating_add(MAX_ATTEMPTS) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_skipped() {
        let taken = Listen::ANYWHERE.bind().await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let next = Listen::From(port).bind().await.unwrap();
        assert!(next.local_addr().unwrap().port() > port);
        let asked = Listen::At(taken.local_addr().unwrap()).bind().await;
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}

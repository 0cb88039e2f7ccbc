//! Ports: the one that was asked for, or the next free one.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

/// How many ports behind the first one are tried.
const MOST_TRIES: u16 = 200;

/// Where to listen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listen {
    /// At this address and no other; port 0 takes any free one.
    At(SocketAddr),
    /// On loopback, at this port or the next free one.
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
    for port in first..first.saturating_add(MOST_TRIES) {
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
    async fn a_taken_port_leads_to_the_next_one() {
        let taken = Listen::ANYWHERE.bind().await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let next = Listen::From(port).bind().await.unwrap();
        assert!(next.local_addr().unwrap().port() > port);
        let asked = Listen::At(taken.local_addr().unwrap()).bind().await;
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}

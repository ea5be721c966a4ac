//! The listening sockets of one address, one for each thread.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;

/// How many connections may wait to be accepted by each listener.
const BACKLOG_CONNECTIONS: u32 = 1_024;

/// Listening sockets of one address. A connection goes to one of them and stays there.
#[derive(Debug)]
pub struct Listeners {
    address: SocketAddr,
    pub(super) each: Vec<TcpListener>,
}

impl Listeners {
    /// Listens on `host_and_port` for `threads`. With port 0, the first socket picks a free port and the others
    /// take the same. Needs a runtime, to resolve host names.
    ///
    /// # Errors
    /// When the host is not known or the port is taken.
    pub async fn bind(host_and_port: &str, threads: NonZeroUsize) -> io::Result<Self> {
        let mut problem = None;
        for address in tokio::net::lookup_host(host_and_port).await? {
            match listen(address, threads).and_then(Self::of) {
                Ok(listeners) => return Ok(listeners),
                Err(error) => problem = Some(error),
            }
        }
        Err(problem.unwrap_or_else(|| io::Error::other("the host has no address")))
    }

    fn of(each: Vec<TcpListener>) -> io::Result<Self> {
        let address = each[0].local_addr()?;
        Ok(Self { address, each })
    }

    /// Where they listen.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Sockets among which the kernel distributes connections, by a hash of both ends' addresses.
#[cfg(target_os = "linux")]
fn listen(address: SocketAddr, threads: NonZeroUsize) -> io::Result<Vec<TcpListener>> {
    use tokio::net::TcpSocket;

    let socket_of = |address: SocketAddr| {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // A server that restarts takes its port again at once.
        socket.set_reuseaddr(true)?;
        io::Result::Ok(socket)
    };
    let first = socket_of(address)?;
    // Shared only after it is bound: two processes on one port would each remember half of the payments, so a
    // port that another process has must be refused.
    first.bind(address)?;
    first.set_reuseport(true)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..threads.get() {
        let socket = socket_of(address)?;
        socket.set_reuseport(true)?;
        socket.bind(address)?;
        sockets.push(socket);
    }
    let listening = sockets.into_iter();
    listening
        .map(|socket| socket.listen(BACKLOG_CONNECTIONS)?.into_std())
        .collect()
}

/// One socket for all threads: elsewhere SO_REUSEPORT is missing, or gives one of the sockets every connection.
/// Whichever thread is free accepts.
#[cfg(not(target_os = "linux"))]
fn listen(address: SocketAddr, threads: NonZeroUsize) -> io::Result<Vec<TcpListener>> {
    let first = TcpListener::bind(address)?;
    first.set_nonblocking(true)?;
    let mut each = Vec::with_capacity(threads.get());
    for _ in 1..threads.get() {
        each.push(first.try_clone()?);
    }
    each.push(first);
    Ok(each)
}

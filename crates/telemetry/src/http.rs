//! The HTTP server loop for everything that listens: bounded in connections, and in what a slow client can hold.
//!
//! axum's own `serve` has no header timeout and accepts without end. Here a connection costs at most `header_timeout`
//! before its request is read, `body_timeout` while its body is, and `stall_timeout` while it does not
//! read its answer; above `connections_max` a client is told 503 with `Retry-After` and let go.

mod body;
mod host;
mod linger;
mod refuse;
mod stall;

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body};
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

pub use body::BodyTimedOut;
pub use host::names_this_machine;
pub use refuse::Overload;

/// After an error of `accept` (no file descriptors left, mostly): neither spin nor give up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one listener and its clients may take.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Connections served at once; further ones are refused as [`Overload`] says.
    pub connections_max: usize,
    /// For a request's whole head, and for the silence between two requests of one connection.
    pub header_timeout: Duration,
    /// For a request's whole body, from the moment its reader first has to wait. A body that takes longer ends
    /// in [`BodyTimedOut`].
    pub body_timeout: Duration,
    /// For a client that does not read its answer: the longest silence while we have something to write.
    pub stall_timeout: Duration,
    /// For what is in flight at shutdown.
    pub drain_timeout: Duration,
}

/// Why a listener could not start.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is taken, not ours, or needs a privilege.
    #[error("cannot listen on {address}: choose another address or port, or stop what listens there")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The system's word.
        #[source]
        source: io::Error,
    },
}

/// A running server; dropping it closes the listener and every connection at once.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl HttpServer {
    /// Listens on `listen` (port 0: any free one) and serves `router` in tasks of its own.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(listen: SocketAddr, router: Router, limits: HttpLimits) -> Result<Self, HttpError> {
        Self::bind_with(listen, router, limits, Overload::default()).await
    }

    /// The same with words of its own for connections above the limit.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind_with(
        listen: SocketAddr,
        router: Router,
        limits: HttpLimits,
        overload: Overload,
    ) -> Result<Self, HttpError> {
        let failed = |source| HttpError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let task = crate::spawn("http", run(listener, router, limits, overload, stopped));
        Ok(Self { address, stop: Some(stop), task })
    }

    /// Where it listens; the real port, if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests in flight finish up to `drain_timeout`, then closes what is left.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok(); // refused only if the loop has ended already
        }
        drop((&mut self.task).await); // a panic of the loop is in the log
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    listener: TcpListener,
    router: Router,
    limits: HttpLimits,
    overload: Overload,
    mut stopped: oneshot::Receiver<()>,
) {
    let graceful = GracefulShutdown::new();
    // Owned here, so that the end of this task is the end of every connection.
    let mut connections = JoinSet::new();
    let mut refusals = refuse::Refusals::new(overload, limits.connections_max);
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => continue,
            Some(_) = refusals.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if connections.len() < limits.connections_max => {
                connections.spawn(serve(stream, router.clone(), limits, graceful.watcher()));
            }
            Ok((stream, _)) => refusals.refuse(stream),
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept a connection; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "closing connections that did not finish in time");
    }
}

async fn serve(stream: TcpStream, router: Router, limits: HttpLimits, watcher: hyper_util::server::graceful::Watcher) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "a connection was gone before it was served");
        return;
    }
    let io = TokioIo::new(linger::Lingering::new(stall::StallGuard::new(stream, limits.stall_timeout)));
    let router = TowerToHyperService::new(router);
    // Around the router rather than a layer of it: a layer clones and boxes its way through every request.
    let answer = service_fn(move |request: Request<Incoming>| {
        router.call(request.map(|incoming| body::within(Body::new(incoming), limits.body_timeout)))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .serve_connection(io, answer);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error = %error, "a connection ended early"); // the client's doing: slow, gone or not HTTP
    }
}

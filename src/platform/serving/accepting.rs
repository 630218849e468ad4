//! Connections, as many at once as there are places for.

use std::pin::pin;
use std::sync::Arc;

use axum::serve::Listener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Serves each connection by itself until `end`, and returns those that are still under way then. Who finds no place waits
/// to be accepted.
pub(crate) async fn accept<L, F>(
    mut listener: L,
    places: usize,
    end: impl Future<Output = ()>,
    serve: impl Fn(L::Io, L::Addr) -> F,
) -> JoinSet<()>
where
    L: Listener,
    F: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(places));
    let mut connections = JoinSet::new();
    let mut end = pin!(end);
    loop {
        let accepted = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut end => return connections,
            Some(_) = connections.join_next() => {}
            (place, (stream, address)) = accepted => {
                let served = serve(stream, address);
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
        }
    }
}

//! One client behind TCP or TLS, from its first message to its end.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use relay::framing::{MAX_FRAME, frame_len};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::debug;

use crate::relay::{
    handle::{Handle, Input, Stream},
    outbox::Outbox,
};

/// How long a client may be connected without an allocation. Making one takes a few round trips.
const WITHOUT_ALLOCATION: Duration = Duration::from_secs(30);
/// How long a client may take no bytes at all before it counts as gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// How much is read at once, and written.
const CHUNK: usize = 8 * 1024;

/// Serves one client, which came to `local_ip`, until it is gone, breaks the protocol, or has no use for the relay.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    addr: SocketAddr,
    local_ip: IpAddr,
    worker: &Handle,
) {
    let id = worker.next_stream();
    let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
    let outbox = Arc::new(Outbox::default());
    let opened = Input::Opened {
        id,
        stream: Stream {
            addr,
            local_ip: local_ip.to_canonical(),
            outbox: Arc::clone(&outbox),
        },
    };
    if !worker.tell(opened).await {
        return;
    }
    let (reader, writer) = tokio::io::split(stream);
    let why = tokio::select! {
        why = read(reader, id, worker) => why,
        why = write(writer, &outbox) => why,
        why = watch(&outbox) => why,
        // At once, though what it does not read is still being written.
        () = outbox.cut() => "it asks and does not read",
    };
    debug!(why, "a client of the relay goes");
    if !worker.tell(Input::Gone { id }).await {
        debug!("the relay has ended before its client");
    }
}

/// Passes whole messages to the worker.
async fn read(mut stream: impl AsyncRead + Unpin, id: u64, worker: &Handle) -> &'static str {
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        bytes.reserve(CHUNK.max(MAX_FRAME));
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return "it closed the connection",
            Ok(_) => {}
            Err(_) => return "the connection is broken",
        }
        let mut whole = 0;
        loop {
            match frame_len(&bytes[whole..]) {
                Ok(Some(len)) if whole + len <= bytes.len() => whole += len,
                Ok(_) => break,
                Err(_) => return "it does not speak TURN",
            }
        }
        if whole > 0 {
            let rest = bytes.split_off(whole);
            if !worker.tell(Input::Frames { id, bytes }).await {
                return "the relay has ended";
            }
            bytes = rest;
        }
    }
}

/// Writes what the worker has for the client.
async fn write(mut stream: impl AsyncWrite + Unpin, outbox: &Outbox) -> &'static str {
    let mut bytes = Vec::with_capacity(CHUNK);
    loop {
        bytes.clear();
        if !outbox.drain(&mut bytes, CHUNK).await {
            return "it asks and does not read";
        }
        let written = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        match timeout(WRITE_DEADLINE, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return "the connection is broken",
            Err(_) => return "it does not read",
        }
    }
}

/// Completes when the client has had no allocation for too long.
async fn watch(outbox: &Outbox) -> &'static str {
    let mut ticks = interval(WITHOUT_ALLOCATION);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if !outbox.is_used.load(Relaxed) {
            return "it has no allocation";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_who_has_no_allocation_for_a_while_is_sent_away_and_one_who_has_stays() {
        let outbox = Outbox::default();
        let time_out = timeout(WITHOUT_ALLOCATION * 2, watch(&outbox)).await;
        assert_eq!(time_out, Ok("it has no allocation"));

        outbox.is_used.store(true, Relaxed);
        let mut watching = Box::pin(watch(&outbox));
        assert!(
            timeout(Duration::from_hours(1), &mut watching)
                .await
                .is_err()
        );
        outbox.is_used.store(false, Relaxed);
        let time_out = timeout(WITHOUT_ALLOCATION, watching).await;
        assert_eq!(time_out, Ok("it has no allocation"));
    }
}

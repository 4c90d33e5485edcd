//! Is a STUN server there?

use std::net::SocketAddr;

use rtc::stun::message::METHOD_BINDING;
use tokio::time::Instant;

use super::exchange::exchange;
use super::message::{Answer, Request, mapped_address};
use super::target::Target;
use super::wire::Wire;
use super::{ReachError, StunAnswer, StunCheck};

/// Asks the server at its first address of each family; the answers are in that order.
pub(super) async fn check(target: &Target, deadline: Instant) -> Vec<StunCheck> {
    let line = |is_ipv6, outcome| StunCheck {
        url: target.url.clone(),
        is_ipv6,
        outcome,
    };
    let addresses = match target.addresses(deadline).await {
        Ok(addresses) => addresses,
        Err(error) => return vec![line(false, Err(error))],
    };
    let v4 = addresses.iter().copied().find(SocketAddr::is_ipv4);
    let v6 = addresses.iter().copied().find(SocketAddr::is_ipv6);
    let (v4, v6) = tokio::join!(ask_any(v4, deadline), ask_any(v6, deadline));
    let v4 = v4.map(|outcome| line(false, outcome));
    let v6 = v6.map(|outcome| line(true, outcome));
    v4.into_iter().chain(v6).collect()
}

async fn ask_any(
    server: Option<SocketAddr>,
    deadline: Instant,
) -> Option<Result<StunAnswer, ReachError>> {
    Some(ask(server?, deadline).await)
}

async fn ask(server: SocketAddr, deadline: Instant) -> Result<StunAnswer, ReachError> {
    let mut wire = Wire::udp(server).await?;
    let first = bind(&mut wire, deadline).await?;
    let round_trip = match first.round_trip {
        Some(round_trip) => Some(round_trip),
        // It was lost once: which packet was answered is unknown. The next one tells.
        None => bind(&mut wire, deadline)
            .await
            .ok()
            .and_then(|second| second.round_trip),
    };
    Ok(StunAnswer { round_trip })
}

/// One Binding request (RFC 8489 section 2), answered as it should be.
async fn bind(wire: &mut Wire, deadline: Instant) -> Result<StunAnswer, ReachError> {
    let request =
        Request::new(METHOD_BINDING, Vec::new(), None).map_err(|_| ReachError::NotSupported)?;
    let exchanged = exchange(wire, &request, deadline).await?;
    match exchanged.answer {
        Answer::Success(message) if mapped_address(&message).is_some() => Ok(StunAnswer {
            round_trip: exchanged.round_trip,
        }),
        Answer::Success(_) | Answer::Refused(_) => Err(ReachError::Garbage),
    }
}

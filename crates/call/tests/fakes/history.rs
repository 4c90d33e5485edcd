//! What can happen to a world, and how often it does.

use std::time::Duration;

use proptest::prelude::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Something that happens to the world.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    Start(usize),
    Next(usize),
    Stop(usize),
    SignallingLost(usize),
    /// The connection to the server breaks; the session is kept until [`Event::SignallingBack`].
    SignallingAway(usize),
    SignallingBack(usize),
    /// Nothing gets through between anybody, until [`Event::PathRepaired`].
    PathBroken,
    PathRepaired,
    /// Nothing gets through with the candidates that were gathered so far.
    AddressChanged,
    /// One person moves to another network, and knows it.
    Moved(usize),
    /// One person wants to hide the address in later calls, or not.
    Shield(usize, bool),
    /// One person agrees to a direct path, or takes that back.
    AllowDirect(usize, bool),
    /// A connection is ready for the next call; or there is none any more.
    Ready(usize),
    ReadyGone(usize),
    /// The local side of the peer connection wants something that needs an offer.
    Change(usize),
    /// The next order about descriptions fails.
    Failure(usize),
    /// The server repeats itself, or says something about a room of the past.
    Echo(usize),
}

/// Any event; those that lead to calls come more often.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    let who = 0_usize..3;
    prop_oneof![
        6 => who.clone().prop_map(Event::Start),
        6 => who.clone().prop_map(Event::Next),
        3 => who.clone().prop_map(Event::Stop),
        2 => who.clone().prop_map(Event::SignallingLost),
        4 => who.clone().prop_map(Event::SignallingBack),
        1 => Just(Event::PathBroken),
        2 => Just(Event::PathRepaired),
        2 => Just(Event::AddressChanged),
        3 => who.clone().prop_map(Event::SignallingAway),
        2 => who.clone().prop_map(Event::Moved),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, wanted)| Event::Shield(who, wanted)),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, allowed)| Event::AllowDirect(who, allowed)),
        6 => who.clone().prop_map(Event::Ready),
        2 => who.clone().prop_map(Event::ReadyGone),
        3 => who.clone().prop_map(Event::Change),
        1 => who.clone().prop_map(Event::Failure),
        3 => who.prop_map(Event::Echo),
    ]
}

/// Any pause, from none at all to long enough for every time-out.
pub(crate) fn pause() -> impl Strategy<Value = Duration> {
    prop_oneof![
        3 => Just(ms(0)),
        4 => (0_u64..300).prop_map(ms),
        3 => (0_u64..4_000).prop_map(ms),
        1 => (0_u64..40_000).prop_map(ms),
    ]
}

//! A real browser and a headless stranger call each other.
//!
//! The browser is a [`Guest`] with Chromium's synthetic devices at side B (unless it is said otherwise), the headless stranger
//! is at side A.

mod table;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use headless::ReportLine;

use crate::browser::{Devices, Guest, GuestFigures};
use crate::network::{Client, ClientOptions, Network, Servers, Shape, Side, Uplink, Way};

pub(super) use table::run;

/// How long a call may take to come about, pictures on both sides. Much longer than it takes: the machine may be busy.
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// How long something in a running call may take to be seen.
const SEEN_TIME: Duration = Duration::from_secs(20);
/// How long a call is watched.
const WATCH_TIME: Duration = Duration::from_secs(6);
/// What the guest writes, and how the headless stranger answers it.
const LINE: &str = "Hello from the browser: ä, 🦀.";
const ANSWER: &str = "You said: ";

/// The calls that lose packets: a share of them, over such a round trip, for so long. Then, in one direction after the other, so
/// many that asking for them does not help and a keyframe is needed; the requests have the other direction, which loses none.
const LOSS_RATIO: f64 = 0.05;
const ROUND_TRIP: Duration = Duration::from_millis(50);
const LOSS_TIME: Duration = Duration::from_secs(10);
const STORM_RATIO: f64 = 0.95;
const STORM_TIME: Duration = Duration::from_secs(4);

/// Which part the browser has in the first negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestRole {
    /// It comes last, so the server lets it make the offer.
    Offerer,
    /// It has waited.
    Answerer,
}

impl GuestRole {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Offerer, Self::Answerer];

    const fn name(self) -> &'static str {
        match self {
            Self::Offerer => "offerer",
            Self::Answerer => "answerer",
        }
    }
}

/// What both ends of a call know at one moment.
#[derive(Debug, Clone)]
pub struct Ends {
    /// The browser.
    pub guest: GuestFigures,
    /// The headless stranger.
    pub headless: ReportLine,
}

/// A part of a call.
#[derive(Debug, Clone)]
pub struct Talk {
    /// When both saw each other.
    pub begin: Ends,
    /// Later.
    pub end: Ends,
}

/// A call that is up.
struct Call {
    guest: Guest,
    headless: Client,
}

impl Call {
    fn start(
        network: &Network,
        servers: &Servers,
        role: GuestRole,
        devices: Devices<'_>,
        [guest_side, headless_side]: [Side; 2],
        calls: u32,
    ) -> anyhow::Result<Self> {
        let options = ClientOptions {
            calls,
            ..ClientOptions::default()
        };
        Self::start_with(
            network,
            servers,
            role,
            devices,
            [guest_side, headless_side],
            options,
        )
    }

    fn start_with(
        network: &Network,
        servers: &Servers,
        role: GuestRole,
        devices: Devices,
        [guest_side, headless_side]: [Side; 2],
        options: ClientOptions<'static>,
    ) -> anyhow::Result<Self> {
        let url = servers.url();
        let mut guest = Guest::start(&url, Some(network.client(guest_side)), devices)?;
        let options = ClientOptions {
            patience_s: 60,
            ..options
        };
        let start = || Client::start(network, servers, headless_side, &options);
        // Whoever comes last is the offerer.
        let headless = match role {
            GuestRole::Answerer => {
                guest.join()?;
                start()?
            }
            GuestRole::Offerer => {
                let mut headless = start()?;
                headless.wait_for("that the stranger waits", SEEN_TIME, |events| {
                    let waits = |line: &&headless::EventLine| {
                        matches!(&line.event, headless::Event::Call { state } if state == "searching")
                    };
                    events.iter().find(waits).map(drop)
                })?;
                // It has asked for a partner in this moment; its question is on the way to the server.
                std::thread::sleep(Duration::from_millis(500));
                guest.join()?;
                headless
            }
        };
        Ok(Self { guest, headless })
    }

    /// Waits until each side has seen the other, if it sends.
    fn wait_until_up(&mut self, guest_sends: bool) -> anyhow::Result<Ends> {
        let guest = self
            .guest
            .wait_until("the guest's call", CONNECT_TIME, |figures| {
                figures.state == "connected" && figures.frames_decoded > 0
            })?;
        let headless =
            self.headless
                .wait_for_report("the stranger's call", CONNECT_TIME, |line| {
                    line.state == "connected" && (line.frames_decoded > 0 || !guest_sends)
                })?;
        Ok(Ends { guest, headless })
    }

    /// What both know now: the stranger's is the next line that it writes.
    fn ends(&mut self) -> anyhow::Result<Ends> {
        let count = self.headless.reports()?.len();
        let deadline = Instant::now() + SEEN_TIME;
        while self.headless.reports()?.len() == count && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let headless = self.headless.reports()?.last().cloned();
        Ok(Ends {
            guest: self.guest.figures()?,
            headless: headless.context("the stranger has reported nothing")?,
        })
    }

    /// Waits for another generation of ICE, and for pictures over it in both directions.
    fn after_restart(&mut self, begin: &Ends) -> anyhow::Result<Ends> {
        let begun = begin.guest.user_fragment.clone();
        self.guest
            .wait_until("another generation", 2 * SEEN_TIME, |figures| {
                figures.user_fragment.is_some() && figures.user_fragment != begun
            })?;
        let restarted = self.ends()?;
        self.wait_for_pictures(&restarted, 60)?;
        self.ends()
    }

    /// Waits until each side has decoded this many pictures more than it had.
    fn wait_for_pictures(&mut self, since: &Ends, more: u64) -> anyhow::Result<()> {
        self.guest
            .wait_until("pictures at the guest", SEEN_TIME, |figures| {
                figures.frames_decoded >= since.guest.frames_decoded + more
            })?;
        self.headless
            .wait_for_report("pictures at the stranger", SEEN_TIME, |line| {
                line.frames_decoded >= since.headless.frames_decoded + more
            })?;
        Ok(())
    }
}

/// How many calls are made for one in which headless makes the offer.
const CALLS_AGAIN: u32 = 6;

const SIDES: [Side; 2] = [Side::B, Side::A];

/// A call on a good network, with chat both ways. `video_codec` is what headless is told: auto, h264 or av1.
///
/// # Errors
/// When the lab fails, or the call does not come about.
pub fn converse(
    network: &Network,
    servers: &Servers,
    role: GuestRole,
    video_codec: &'static str,
) -> anyhow::Result<Talk> {
    let options = ClientOptions {
        video_codec,
        ..ClientOptions::default()
    };
    let devices = Devices::Synthetic;
    let mut call = Call::start_with(network, servers, role, devices, SIDES, options)?;
    let begin = call.wait_until_up(true)?;
    call.guest.chat(LINE)?;
    call.guest.ask_for_keyframe()?;
    std::thread::sleep(WATCH_TIME);
    let answer = format!("{ANSWER}{LINE}");
    call.guest
        .wait_until("the answer to what the guest wrote", SEEN_TIME, |figures| {
            figures.chat.contains(&answer)
        })?;
    let end = call.ends()?;
    Ok(Talk { begin, end })
}

/// Headless shares a screen beside the camera in the running call. Both ends a while after it is seen.
///
/// # Errors
/// When the lab fails, or the call does not come about, or the screen is not seen.
pub fn show_screen(network: &Network, servers: &Servers, role: GuestRole) -> anyhow::Result<Talk> {
    let options = ClientOptions {
        shares: true,
        ..ClientOptions::default()
    };
    let devices = Devices::Synthetic;
    let mut call = Call::start_with(network, servers, role, devices, SIDES, options)?;
    call.wait_until_up(true)?;
    call.guest.wait_until("the screen", SEEN_TIME, |figures| {
        figures.screen_decoded > 0
    })?;
    let begin = call.ends()?;
    std::thread::sleep(WATCH_TIME);
    let end = call.ends()?;
    Ok(Talk { begin, end })
}

/// The second call with the same partner: the browser asks for the next one, and headless, which has made a connection ready in
/// the meantime, makes the offer.
///
/// # Errors
/// When the lab fails, or one of the calls does not come about.
pub fn call_again(network: &Network, servers: &Servers) -> anyhow::Result<Talk> {
    let role = GuestRole::Offerer;
    let mut call = Call::start(
        network,
        servers,
        role,
        Devices::Synthetic,
        SIDES,
        CALLS_AGAIN,
    )?;
    call.wait_until_up(true)?;
    for number in 2..=CALLS_AGAIN {
        call.guest.ask_for_next()?;
        call.headless.wait_for_call(number, CONNECT_TIME)?;
        // Whoever asks last makes the offer: headless, unless it heard the good-bye before the server heard the guest.
        if call.guest.figures()?.role.as_deref() == Some("answerer") {
            break;
        }
        ensure!(number < CALLS_AGAIN, "headless never made the offer");
    }
    let begin = call.wait_until_up(true)?;
    std::thread::sleep(Duration::from_secs(3));
    let end = call.ends()?;
    Ok(Talk { begin, end })
}

/// A call on a network that loses some packets in both directions, then most of them in one direction and the other, and is good
/// again. Returns three parts: some losses, many losses until pictures flow again, and some quiet seconds after that.
///
/// # Errors
/// When the lab fails, or pictures do not flow afterwards.
pub fn lose_packets(
    network: &Network,
    servers: &Servers,
    role: GuestRole,
) -> anyhow::Result<[Talk; 3]> {
    let result = lose_packets_inside(network, servers, role);
    network.shape_all(Shape::default());
    let [begin, some, many, end] = result?;
    Ok([(begin, some.clone()), (some, many.clone()), (many, end)]
        .map(|(begin, end)| Talk { begin, end }))
}

fn lose_packets_inside(
    network: &Network,
    servers: &Servers,
    role: GuestRole,
) -> anyhow::Result<[Ends; 4]> {
    let far = Shape::delayed(ROUND_TRIP / 4);
    network.shape_all(far);
    let mut call = Call::start(network, servers, role, Devices::Synthetic, SIDES, 1)?;
    let begin = call.wait_until_up(true)?;
    // On one cable, so that a packet meets it once in each direction.
    let cable = network.cable(Uplink::B);
    cable.shape_both(far.with_loss(LOSS_RATIO));
    std::thread::sleep(LOSS_TIME);
    cable.shape_both(far);
    let some = call.ends()?;
    for way in [Way::Down, Way::Up] {
        cable.shape(way, far.with_loss(STORM_RATIO));
        std::thread::sleep(STORM_TIME);
        cable.shape(way, far);
    }
    let after_storm = call.ends()?;
    call.wait_for_pictures(&after_storm, 60)?;
    let many = call.ends()?;
    std::thread::sleep(WATCH_TIME);
    let end = call.ends()?;
    Ok([begin, some, many, end])
}

/// A call between two on one machine of whom the browser has no permission for devices, so that it tells no address.
///
/// # Errors
/// When the lab fails, or the call does not come about.
pub fn hide(network: &Network, servers: &Servers, role: GuestRole) -> anyhow::Result<Talk> {
    let sides = [Side::A, Side::A];
    let mut call = Call::start(network, servers, role, Devices::None, sides, 1)?;
    let begin = call.wait_until_up(false)?;
    // A path may be found before the browser has a name for its address. As the answerer it may be connected by then, and tells none.
    if role == GuestRole::Offerer {
        call.guest
            .wait_until("a name for the browser's address", SEEN_TIME, |figures| {
                figures.told_names > 0
            })?;
    }
    std::thread::sleep(Duration::from_secs(3));
    let end = call.ends()?;
    Ok(Talk { begin, end })
}

/// The browser restarts ICE in a running call; returns when pictures flow again in both directions.
///
/// # Errors
/// When the lab fails, or they do not.
pub fn restart(network: &Network, servers: &Servers, role: GuestRole) -> anyhow::Result<Talk> {
    let mut call = Call::start(network, servers, role, Devices::Synthetic, SIDES, 1)?;
    let begin = call.wait_until_up(true)?;
    call.guest.restart()?;
    let end = call.after_restart(&begin)?;
    Ok(Talk { begin, end })
}

/// The headless stranger moves to another network in a running call; returns when pictures flow again in both directions.
///
/// # Errors
/// When the lab fails, or they do not.
pub fn roam_away(
    network: &mut Network,
    servers: &Servers,
    role: GuestRole,
) -> anyhow::Result<Talk> {
    let mut call = Call::start(network, servers, role, Devices::Synthetic, SIDES, 1)?;
    let begin = call.wait_until_up(true)?;
    // Side A is the one with two uplinks.
    network.roam(Uplink::ASecond)?;
    let result = call.after_restart(&begin);
    network.roam(Uplink::A)?;
    result.map(|end| Talk { begin, end })
}

/// One side leaves a running call.
///
/// Returns why the guest's call has ended, and with which code the stranger, who makes one call, has ended.
///
/// # Errors
/// When the lab fails, or the other side does not notice.
pub fn say_goodbye(
    network: &Network,
    servers: &Servers,
    guest_leaves: bool,
) -> anyhow::Result<(Option<String>, Option<u8>)> {
    let role = GuestRole::Offerer;
    let mut call = Call::start(network, servers, role, Devices::Synthetic, SIDES, 1)?;
    call.wait_until_up(true)?;
    if guest_leaves {
        call.guest.leave()?;
        let code = call.headless.wait(SEEN_TIME)?;
        Ok((call.guest.figures()?.ended, code))
    } else {
        // Dropping it asks it to end, as Ctrl-C does.
        drop(call.headless);
        let figures = call
            .guest
            .wait_until("the end of the call", SEEN_TIME, |figures| {
                figures.ended.is_some()
            })?;
        Ok((figures.ended, None))
    }
}

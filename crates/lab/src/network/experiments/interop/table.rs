//! All of it, as a table.

use super::{
    GuestRole, Talk, call_again, converse, hide, lose_packets, restart, roam_away, say_goodbye,
};
use crate::browser::{Devices, Guest};
use crate::network::experiments::{Common, Verdicts, milliseconds};
use crate::network::{NatKind, Network, Servers, Side};

pub(in super::super) fn run(common: &Common, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    if let Some(reason) = crate::check::Part::Browser.why_impossible() {
        return Err(crate::Unavailable(reason).into());
    }
    let mut network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted)?;
    let servers = Servers::start(&network, common.relay)?;
    describe_browser(&network, &servers)?;
    println!(
        "\nEach pair of figures is: at the browser / at headless. They are counted from the beginning of the call.\n"
    );
    println!(
        "| the browser | what | first picture after the match | pictures decoded | lost packets that came again | requests for \
         packets | requests for a keyframe | picture stood still, at the browser |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for role in GuestRole::BOTH {
        let mut note = |what, talk: anyhow::Result<Talk>| note(what, role, &talk, verdicts);
        for _ in 0..common.calls.unwrap_or(1) {
            note("a call", converse(&network, &servers, role, "auto"));
        }
        note(
            "a call in H.264",
            converse(&network, &servers, role, "h264"),
        );
        if role == GuestRole::Answerer {
            note(
                "the second call, made ready ahead",
                call_again(&network, &servers),
            );
        }
        match lose_packets(&network, &servers, role) {
            Ok([some, many, _]) => {
                note("5 % loss for 10 s, round trip 50 ms", Ok(some));
                note("and 95 % for 4 s, one way and then the other", Ok(many));
            }
            Err(error) => note("loss", Err(error)),
        }
        note(
            "mDNS names only, sends nothing",
            hide(&network, &servers, role),
        );
        note(
            "ICE restart by the browser",
            restart(&network, &servers, role),
        );
        note(
            "headless changes network",
            roam_away(&mut network, &servers, role),
        );
    }
    let (_, code) = say_goodbye(&network, &servers, true)?;
    let what = "the browser leaves, and headless ends";
    verdicts.note(what, format!("{code:?}"), "Some(0)", code == Some(0));
    let (ended, _) = say_goodbye(&network, &servers, false)?;
    let what = "headless leaves, and the browser's call ends";
    verdicts.note(what, format!("{ended:?}"), "a reason", ended.is_some());
    Ok(())
}

fn describe_browser(network: &Network, servers: &Servers) -> anyhow::Result<()> {
    let mut guest = Guest::start(&servers.url(), Some(network.client(Side::B)), Devices::None)?;
    let [send, receive] = guest.codecs()?;
    println!("\n## A browser: {}\n", guest.version()?);
    println!(
        "It can send {},\nand receive {}.",
        send.join(", "),
        receive.join(", ")
    );
    Ok(())
}

/// A line of the table, and whether the call came about and went on.
fn note(what: &str, role: GuestRole, talk: &anyhow::Result<Talk>, verdicts: &mut Verdicts) {
    let role = role.name();
    let (measured, is_met) = match talk {
        Ok(talk) => {
            println!("| {role} | {what} | {} |", cells(talk));
            let Talk { begin, end } = talk;
            let [now, then] = [end, begin].map(|ends| ends.guest.frames_decoded);
            // A browser that rebuilds its streams counts from zero again.
            let at_guest = if now < then { now } else { now - then };
            let at_headless = end.headless.frames_decoded - begin.headless.frames_decoded;
            let is_met = at_guest > 0 && (at_headless > 0 || !end.headless.partner_sends_video);
            (
                format!("{at_guest} / {at_headless} further pictures"),
                is_met,
            )
        }
        Err(error) => (format!("{error:#}"), false),
    };
    let what = format!("browser as {role}: {what}");
    verdicts.note(what, measured, "comes about, and pictures flow on", is_met);
}

fn cells(Talk { begin, end }: &Talk) -> String {
    let (guest, headless) = (&end.guest, &end.headless);
    let stream = &headless.video_stream;
    format!(
        "{} / {} | {} / {} | {} / {} | {} / {} | {} / {} | {} times, {:.1} s",
        milliseconds(begin.guest.first_picture_ms),
        milliseconds(headless.time_to_first_frame_ms),
        guest.frames_decoded,
        headless.frames_decoded,
        guest.retransmitted_received,
        // The browser also sends old packets again to find out how much the line carries; those were not lost.
        stream.retransmitted_received.min(guest.retransmitted_sent),
        guest.nacks_sent,
        stream.nacks_sent,
        guest.keyframe_requests_sent,
        stream.keyframe_requests_sent,
        guest.freezes,
        guest.frozen_s,
    )
}

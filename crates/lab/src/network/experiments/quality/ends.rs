//! The two kinds of programs, looked at in the same way.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use headless::Event;
use media::video::{Scaler, VideoFrame};
use serde::{Deserialize, Serialize};

use super::QualityLab;
use super::clip::{Clip, FPS, SIZE_PX};
use super::figures::{Noticed, Shot, Shown};
use super::sound::{Recording, thin_out};
use crate::browser::{Devices, Guest, HeardSound};
use crate::network::{Client, ClientOptions, Side};

/// How long a call may take to come about on the worst line: signalling goes over it, too.
const CONNECT_TIME: Duration = Duration::from_mins(1);
/// How long a program may take to wait for a partner.
const JOIN_TIME: Duration = Duration::from_secs(20);
/// From the wish for a partner to its arrival at the server, at most.
const WISH_TIME: Duration = Duration::from_millis(700);
/// Of Passerby's sound: what its microphone hands over at once, and the piece in which it counts what was made up.
const FRAME_MS: f64 = 10.0;
/// What Passerby may send of pictures at most: the program's own default.
const VIDEO_KBPS: u32 = 2000;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// `passerby-headless`.
    Passerby,
    /// Chromium with the page of `crate::browser`.
    Chromium,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passerby => "Passerby",
            Self::Chromium => "Chromium",
        })
    }
}

/// Where a program is to run, and what it sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) lab: &'a QualityLab,
    pub(super) side: Side,
}

/// A program that has no partner yet. A browser has greeted the server; the other one does so when it asks for a partner.
pub(super) enum Invited {
    Passerby,
    Chromium(Box<Guest>),
}

impl Invited {
    pub(super) fn new(program: Program, place: Place<'_>) -> anyhow::Result<Self> {
        if program == Program::Passerby {
            return Ok(Self::Passerby);
        }
        let lab = place.lab;
        let (pictures, sound) = (lab.clip.pictures(), lab.clip.sound());
        let devices = Devices::Clip {
            pictures: &pictures,
            sound: &sound,
        };
        let namespace = Some(lab.network.client(place.side));
        let mut guest = Guest::start(&lab.servers.url(), namespace, devices)?;
        guest.watch()?;
        Ok(Self::Chromium(Box::new(guest)))
    }

    /// Asks for a partner, and waits until the server must have heard it.
    pub(super) fn join(self, place: Place<'_>) -> anyhow::Result<End> {
        let end = match self {
            Self::Chromium(mut guest) => {
                guest.join()?;
                End::Chromium(guest)
            }
            Self::Passerby => {
                let lab = place.lab;
                let options = ClientOptions {
                    patience_s: 90,
                    size_px: SIZE_PX,
                    video_kbps: VIDEO_KBPS,
                    video_codec: &lab.video_codec,
                    pictures: Some(lab.clip.pictures()),
                    sound: Some(lab.clip.sound()),
                    takes_shots: true,
                    ..ClientOptions::default()
                };
                let mut client = Client::start(&lab.network, &lab.servers, place.side, &options)?;
                client.wait_for("that Passerby looks for a partner", JOIN_TIME, |events| {
                    let has_begun = |line: &&headless::EventLine| {
                        matches!(&line.event, Event::Call { state } if state != "idle")
                    };
                    events.iter().find(has_begun).map(drop)
                })?;
                End::Passerby(Box::new(client))
            }
        };
        Ok(end)
    }
}

/// Waits until whoever has just asked for a partner has been heard.
pub(super) fn wait_for_the_wish() {
    std::thread::sleep(WISH_TIME);
}

/// A program in a call.
pub(super) enum End {
    Passerby(Box<Client>),
    Chromium(Box<Guest>),
}

/// What an end has noticed, and the pictures that its shots name: planar 4:2:0 of the clip's size.
pub(super) struct Evidence {
    pub(super) noticed: Noticed,
    pub(super) pictures: Vec<Vec<u8>>,
    /// What it said and what it heard, as far as that is known.
    pub(super) talk: Option<[Recording; 2]>,
}

impl End {
    /// The process of which all others are children.
    pub(super) fn pid(&mut self) -> u32 {
        match self {
            Self::Passerby(client) => client.pid(),
            Self::Chromium(guest) => guest.pid(),
        }
    }

    /// Waits until it shows pictures.
    pub(super) fn wait_for_pictures(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Passerby(client) => client.wait_for_pictures(Duration::ZERO, CONNECT_TIME),
            Self::Chromium(guest) => {
                let shows =
                    |figures: &crate::browser::GuestFigures| figures.first_picture_ms.is_some();
                guest.wait_until("a picture", CONNECT_TIME, shows).map(drop)
            }
        }
    }

    /// Copies of the screen. Passerby takes them all the time: it costs it nothing.
    pub(super) fn take_shots(&mut self, is_wanted: bool) -> anyhow::Result<()> {
        match self {
            Self::Passerby(_) => Ok(()),
            Self::Chromium(guest) => guest.take_shots(is_wanted),
        }
    }

    /// Looks no more, so that looking is no part of what it costs.
    pub(super) fn stop_watching(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Passerby(_) => Ok(()),
            Self::Chromium(guest) => guest.stop_watching(),
        }
    }

    /// Copies what Passerby wrote down to files of this name with other endings. A browser writes nothing.
    pub(super) fn keep(&self, name: &Path) -> anyhow::Result<()> {
        match self {
            Self::Passerby(client) => client.keep(name),
            Self::Chromium(_) => Ok(()),
        }
    }

    /// The codec of what it receives.
    pub(super) fn codec(&mut self) -> anyhow::Result<Option<String>> {
        let codec = match self {
            Self::Passerby(client) => client.reports()?.last().and_then(|line| line.codec.clone()),
            Self::Chromium(guest) => guest.figures()?.video_codec,
        };
        // One writes "video/H264", the other one "H.264".
        Ok(codec.map(|codec| codec.trim_start_matches("video/").replace('.', "")))
    }

    /// What the partner's sound was like so far. Passerby says so once a second.
    pub(super) fn heard(&mut self) -> anyhow::Result<HeardSound> {
        match self {
            Self::Chromium(guest) => guest.heard(),
            Self::Passerby(client) => {
                let mut heard = HeardSound::default();
                for line in client.reports()? {
                    heard.all_s += 1.0;
                    heard.concealed_s = line.audio_concealed as f64 * FRAME_MS / 1e3;
                    if let Some(ms) = line.audio_jitter_buffer_ms {
                        heard.waited_s += ms / 1e3;
                        heard.emitted += 1.0;
                    }
                }
                Ok(heard)
            }
        }
    }

    /// All that it noticed, with the pictures on its screen from `since_ms` on. Passerby ends for that.
    pub(super) fn evidence(&mut self, since_ms: f64, clip: &Clip) -> anyhow::Result<Evidence> {
        match self {
            Self::Passerby(client) => of_client(client, since_ms, clip),
            Self::Chromium(guest) => of_guest(guest),
        }
    }
}

fn of_guest(guest: &mut Guest) -> anyhow::Result<Evidence> {
    let seen = guest.noticed()?;
    ensure!(
        seen.trouble.is_empty(),
        "the page could not look: {}",
        seen.trouble.join("; ")
    );
    let shown = seen
        .shown
        .into_iter()
        .map(|(at_ms, number, width, height)| Shown {
            at_ms,
            number,
            size_px: (width, height),
        });
    let shots = seen.shots.into_iter().map(|(at_ms, number, picture)| Shot {
        at_ms,
        number,
        picture,
    });
    let noticed = Noticed {
        matched_ms: seen.matched_ms,
        captured: seen.captured,
        shown: shown.collect(),
        shots: shots.collect(),
    };
    let mut scaler = Scaler::default();
    let mut pictures = Vec::new();
    for (index, size_px) in seen.sizes.into_iter().enumerate() {
        pictures.push(at_clips_size(guest.picture(index)?, size_px, &mut scaler)?);
    }
    let talk = guest.talk()?.map(|talk| {
        [talk.said, talk.heard].map(|samples| Recording {
            began_ms: talk.began_ms,
            samples,
            is_loop: false,
        })
    });
    Ok(Evidence {
        noticed,
        pictures,
        talk,
    })
}

fn of_client(client: &mut Client, since_ms: f64, clip: &Clip) -> anyhow::Result<Evidence> {
    // Its recording of the sound is whole when it has ended.
    client.stop()?;
    let heard = read_sound(client.heard())?;
    let file = File::open(client.shots()).context("Passerby has copied no pictures")?;
    let mut noticed = Noticed::default();
    let mut pictures = Vec::new();
    let mut scaler = Scaler::default();
    let mut by_offset = BTreeMap::new();
    let mut size_px = (0, 0);
    for line in client.events()? {
        let at_ms = line.at_ms;
        match line.event {
            Event::Call { ref state } if state == "connecting" => noticed.matched_ms = Some(at_ms),
            Event::Captured { number } => noticed.captured.push((at_ms, number)),
            Event::Resized {
                width_px,
                height_px,
            } => size_px = (width_px, height_px),
            Event::Picture { number, .. } => noticed.shown.push(Shown {
                at_ms,
                number,
                size_px,
            }),
            Event::Shot {
                number,
                width_px,
                height_px,
                offset_bytes,
            } if at_ms >= since_ms => {
                let picture = if let Some(picture) = by_offset.get(&offset_bytes) {
                    *picture
                } else {
                    let mut planes = vec![0; VideoFrame::len_bytes(width_px, height_px)];
                    file.read_exact_at(&mut planes, offset_bytes)
                        .context("a copied picture is missing")?;
                    pictures.push(at_clips_size(planes, (width_px, height_px), &mut scaler)?);
                    by_offset.insert(offset_bytes, pictures.len() - 1);
                    pictures.len() - 1
                };
                noticed.shots.push(Shot {
                    at_ms,
                    number,
                    picture,
                });
            }
            _ => {}
        }
    }
    let talk = devices_began_ms(&noticed.captured).map(|began_ms| {
        let said = Recording {
            // A microphone has the first sample of a frame that long before it has the last.
            began_ms: began_ms - FRAME_MS,
            samples: clip.said().to_vec(),
            is_loop: true,
        };
        let heard = Recording {
            began_ms,
            samples: heard,
            is_loop: false,
        };
        [said, heard]
    });
    Ok(Evidence {
        noticed,
        pictures,
        talk,
    })
}

/// When Passerby opened its devices: it opens camera, microphone and speaker one right after the other, and all three keep to their
/// times from then on. The first pictures tell: one that is late does not count.
fn devices_began_ms(captured: &[(f64, u32)]) -> Option<f64> {
    let first_round = captured.iter().take_while({
        let mut last = 0;
        move |(_, number)| std::mem::replace(&mut last, *number) <= *number
    });
    first_round
        .map(|(at_ms, number)| at_ms - f64::from(*number) * 1e3 / f64::from(FPS))
        .min_by(f64::total_cmp)
}

/// A recording of Passerby's at 8 kHz.
fn read_sound(path: &Path) -> anyhow::Result<Vec<f32>> {
    let mut reader = hound::WavReader::open(path).context("Passerby has recorded no sound")?;
    let samples: Result<Vec<f32>, _> = match reader.spec().sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect(),
        hound::SampleFormat::Int => reader
            .samples::<i16>()
            .map(|sample| sample.map(|sample| f32::from(sample) / 32_767.0))
            .collect(),
    };
    Ok(thin_out(&samples.context("the recording is broken")?))
}

/// Brings a picture to the clip's size, as a window would.
fn at_clips_size(
    planes: Vec<u8>,
    (width_px, height_px): (u32, u32),
    scaler: &mut Scaler,
) -> anyhow::Result<Vec<u8>> {
    if (width_px, height_px) == SIZE_PX
        && planes.len() == VideoFrame::len_bytes(width_px, height_px)
    {
        return Ok(planes);
    }
    let frame = VideoFrame::from_planes(width_px, height_px, planes, Instant::now())
        .context("a copied picture has another size than it says")?;
    Ok(scaler.scale(&frame, SIZE_PX)?.into_planes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_of_the_clip_tells_when_devices_were_opened() {
        let mut captured: Vec<(f64, u32)> = (7..700)
            .map(|number| (500.2 + f64::from(number) * 1e3 / 30.0, number % 300))
            .collect();
        for late in captured.iter_mut().step_by(3) {
            late.0 += 9.0;
        }
        assert!((devices_began_ms(&captured).unwrap() - 500.2).abs() < 1e-6);
        assert_eq!(devices_began_ms(&[]), None);
    }
}

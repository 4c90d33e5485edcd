//! Choosing a camera, microphone or speaker.

use egui::{
    Color32, CursorIcon, Popup, Rect, RectAlign, Response, Sense, Ui, Vec2, WidgetInfo,
    accesskit::Role, pos2, vec2,
};
use engine::{AudioSink, AudioSource, Command, Deck, DeviceState, VideoSource};

use super::tile::{Tile, elided};
use super::was_pressed;
use crate::icons::{self, Icon};
use crate::{text, theme};

/// One line of a list of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What a person reads.
    pub label: String,
    /// Whether it is in use.
    pub is_chosen: bool,
    /// What choosing it asks of the engine.
    pub command: Command,
}

/// The cameras to choose from, with what is in use in any case.
pub fn camera_choices(deck: &Deck) -> Vec<Choice> {
    let named = deck
        .cameras
        .iter()
        .map(|name| VideoSource::CameraNamed(name.clone()));
    let all = list(
        VideoSource::DefaultCamera,
        named,
        &deck.video_source,
        VideoSource::None,
    );
    all.into_iter()
        .map(|source| {
            choice(
                text::video_source(&source),
                source == deck.video_source,
                Command::ChooseVideo(source),
            )
        })
        .collect()
}

/// The microphones to choose from, with what is in use in any case.
pub fn microphone_choices(deck: &Deck) -> Vec<Choice> {
    let named = deck
        .microphones
        .iter()
        .map(|name| AudioSource::Microphone(name.clone()));
    let all = list(
        AudioSource::DefaultMicrophone,
        named,
        &deck.audio_source,
        AudioSource::None,
    );
    all.into_iter()
        .map(|source| {
            choice(
                text::audio_source(&source),
                source == deck.audio_source,
                Command::ChooseAudio(source),
            )
        })
        .collect()
}

/// The speakers to choose from, with what is in use in any case.
pub fn speaker_choices(deck: &Deck) -> Vec<Choice> {
    let named = deck
        .speakers
        .iter()
        .map(|name| AudioSink::Speaker(name.clone()));
    let all = list(
        AudioSink::DefaultSpeaker,
        named,
        &deck.audio_sink,
        AudioSink::None,
    );
    all.into_iter()
        .map(|sink| {
            choice(
                text::audio_sink(&sink),
                sink == deck.audio_sink,
                Command::ChooseSpeaker(sink),
            )
        })
        .collect()
}

/// How good pictures are to be, for what they cost this machine.
pub fn picture_choices(is_saving_power: bool) -> Vec<Choice> {
    [false, true]
        .into_iter()
        .map(|is_saving| {
            choice(
                text::picture_quality(is_saving).to_owned(),
                is_saving == is_saving_power,
                Command::SetPowerSaving(is_saving),
            )
        })
        .collect()
}

fn choice(label: String, is_chosen: bool, command: Command) -> Choice {
    Choice {
        label,
        is_chosen,
        command,
    }
}

/// The system's own, the named ones, what is in use if it is none of these, and none.
fn list<T: PartialEq + Clone>(
    default: T,
    named: impl Iterator<Item = T>,
    in_use: &T,
    none: T,
) -> Vec<T> {
    let mut all: Vec<T> = std::iter::once(default).chain(named).collect();
    if !all.contains(in_use) && *in_use != none {
        all.push(in_use.clone());
    }
    all.push(none);
    all
}

/// A field that shows which device is in use and opens a list of the others.
#[derive(Debug)]
pub struct DevicePicker<'a> {
    /// What is chosen here, for instance "Camera".
    pub name: &'a str,
    /// Stands before the name of the device.
    pub icon: Icon,
    /// How the device is doing.
    pub state: &'a DeviceState,
    /// What there is to choose from.
    pub choices: Vec<Choice>,
    /// What else there is to choose, below a heading.
    pub more: Option<(&'a str, Vec<Choice>)>,
}

impl DevicePicker<'_> {
    /// Draws the field over the whole width.
    pub fn show(self, ui: &mut Ui, out: &mut Vec<Command>) {
        let chosen = self
            .choices
            .iter()
            .find(|choice| choice.is_chosen)
            .map_or("", |choice| choice.label.as_str());
        let (rect, response) =
            ui.allocate_exact_size(vec2(ui.available_width(), 56.0), Sense::click());
        let name = format!("{}: {chosen}", self.name);
        response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, &name));
        let response = response.on_hover_cursor(CursorIcon::PointingHand);
        let (icon, color) = if matches!(self.state, DeviceState::Failed(_)) {
            (Icon::Warning, theme::warning())
        } else {
            (self.icon, theme::text_second())
        };
        Tile {
            icon,
            color,
            caption: self.name,
            value: chosen,
            is_list: true,
        }
        .paint(ui, rect, &response);
        if was_pressed(&response) && !Popup::is_id_open(ui, Popup::default_response_id(&response)) {
            out.push(Command::ListDevices);
        }
        let width = rect.width().max(220.0);
        Popup::menu(&response).width(width).gap(6.0).show(|ui| {
            choices_ui(ui, width, &self.choices, out);
            if let Some((heading, choices)) = &self.more {
                group_ui(ui, width, heading, choices, out);
            }
        });
    }
}

/// A list of devices above a button of the dock: groups with a heading each.
pub(crate) fn device_menu(
    anchor: &Response,
    groups: &[(&str, Vec<Choice>)],
    out: &mut Vec<Command>,
) {
    if was_pressed(anchor) && !Popup::is_id_open(&anchor.ctx, Popup::default_response_id(anchor)) {
        out.push(Command::ListDevices);
    }
    let width = 260.0;
    Popup::menu(anchor)
        .align(RectAlign::TOP)
        .width(width)
        .gap(14.0)
        .show(|ui| {
            for (heading, choices) in groups {
                group_ui(ui, width, heading, choices, out);
            }
        });
}

fn group_ui(ui: &mut Ui, width: f32, heading: &str, choices: &[Choice], out: &mut Vec<Command>) {
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        ui.add_space(10.0);
        ui.label(super::words(
            heading,
            theme::medium(12.0),
            theme::text_second(),
        ));
    });
    choices_ui(ui, width, choices, out);
}

fn choices_ui(ui: &mut Ui, width: f32, choices: &[Choice], out: &mut Vec<Command>) {
    ui.set_min_width(width - 12.0);
    ui.spacing_mut().item_spacing.y = 2.0;
    for choice in choices {
        let response = choice_ui(ui, choice);
        if was_pressed(&response) {
            if !choice.is_chosen {
                out.push(choice.command.clone());
            }
            ui.close();
        }
    }
}

fn choice_ui(ui: &mut Ui, choice: &Choice) -> Response {
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), theme::CONTROL), Sense::click());
    response.widget_info(|| {
        WidgetInfo::selected(Role::MenuItemRadio, true, choice.is_chosen, &choice.label)
    });
    let painter = ui.painter();
    let is_lit = response.hovered() || response.has_focus();
    painter.rect_filled(
        rect,
        8.0,
        if is_lit {
            theme::surface_hovered()
        } else {
            Color32::TRANSPARENT
        },
    );
    if choice.is_chosen {
        let check = Rect::from_center_size(
            pos2(rect.right() - 18.0, rect.center().y),
            Vec2::splat(16.0),
        );
        icons::paint(painter, Icon::Check, check, theme::accent_hovered());
    }
    let galley = elided(ui, &choice.label, rect.width() - 48.0);
    painter.galley(
        pos2(rect.left() + 10.0, rect.center().y - galley.size().y / 2.0),
        galley,
        theme::text(),
    );
    response.on_hover_cursor(CursorIcon::PointingHand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_is_always_in_the_list_once() {
        let named = || ["a", "b"].into_iter();
        assert_eq!(
            list("system", named(), &"b", "none"),
            ["system", "a", "b", "none"]
        );
        assert_eq!(
            list("system", named(), &"unplugged", "none"),
            ["system", "a", "b", "unplugged", "none"]
        );
        assert_eq!(
            list("system", named(), &"none", "none"),
            ["system", "a", "b", "none"]
        );
    }
}

//! The colours, dark and light. Which ones are worn belongs to the thread that draws, and is set before each frame.
//!
//! Calls are always dark, because a picture of a person looks wrong on white. Every pair of text and ground has a contrast
//! of at least 4.5 to 1 (WCAG 2.2, 1.4.3) in both; a test below holds that.

use std::cell::Cell;

use egui::{Color32, Stroke, Theme};

/// All colours of the window.
#[derive(Debug)]
pub struct Palette {
    /// Whether dark words stand on light ground.
    pub is_light: bool,
    /// Behind everything.
    pub background: Color32,
    /// Panels, cards and menus.
    pub surface: Color32,
    /// Inputs and quiet buttons.
    pub surface_raised: Color32,
    /// What the pointer is over, and the stranger's bubbles.
    pub surface_hovered: Color32,
    /// Thin lines between surfaces.
    pub line: Color32,
    /// What is read first.
    pub text: Color32,
    /// What explains.
    pub text_second: Color32,
    /// Hints.
    pub text_third: Color32,
    /// Start, Next, one's own bubbles.
    pub accent: Color32,
    /// The accent under the pointer.
    pub accent_hovered: Color32,
    /// Text on the accent; white would have too little contrast.
    pub on_accent: Color32,
    /// The second colour of the mark.
    pub warm: Color32,
    /// Stop, and what is off.
    pub danger: Color32,
    /// That of danger under the pointer.
    pub danger_hovered: Color32,
    /// The ground of a switch that is off.
    pub off: Color32,
    /// That of a switch that is off under the pointer.
    pub off_hovered: Color32,
    /// Going well.
    pub good: Color32,
    /// Needs attention.
    pub warning: Color32,
    /// Goes badly, as small marks and text on dark.
    pub bad: Color32,
    /// Around what has the keyboard.
    pub focus: Color32,
    /// The ground of everything that floats over a picture.
    pub overlay: Color32,
    /// Hardly seen: edges on pictures, and the empty part of meters.
    pub faint: Color32,
}

/// In calls, and wherever it is wanted.
static DARK: Palette = Palette {
    is_light: false,
    background: Color32::from_rgb(0x0B, 0x0D, 0x12),
    surface: Color32::from_rgb(0x13, 0x16, 0x1E),
    surface_raised: Color32::from_rgb(0x1B, 0x1F, 0x2A),
    surface_hovered: Color32::from_rgb(0x26, 0x2B, 0x39),
    line: Color32::from_rgb(0x23, 0x27, 0x33),
    text: Color32::from_rgb(0xF2, 0xF4, 0xF8),
    text_second: Color32::from_rgb(0xA9, 0xB1, 0xC2),
    text_third: Color32::from_rgb(0x8B, 0x94, 0xA8),
    accent: Color32::from_rgb(0x6D, 0x7B, 0xFF),
    accent_hovered: Color32::from_rgb(0x84, 0x90, 0xFF),
    on_accent: Color32::from_rgb(0x0A, 0x0C, 0x18),
    warm: Color32::from_rgb(0xFF, 0x9B, 0x7A),
    danger: Color32::from_rgb(0xC6, 0x31, 0x37),
    danger_hovered: Color32::from_rgb(0xD0, 0x38, 0x3E),
    off: Color32::from_rgb(0x3A, 0x1C, 0x22),
    off_hovered: Color32::from_rgb(0x49, 0x23, 0x2A),
    good: Color32::from_rgb(0x46, 0xD3, 0x9A),
    warning: Color32::from_rgb(0xF5, 0xB9, 0x4A),
    bad: Color32::from_rgb(0xFF, 0x7A, 0x7E),
    focus: Color32::from_rgb(0xAF, 0xB7, 0xFF),
    overlay: Color32::from_rgba_premultiplied(10, 12, 17, 219),
    faint: Color32::from_rgba_premultiplied(22, 22, 22, 22),
};

/// Outside of calls, for those who want it.
static LIGHT: Palette = Palette {
    is_light: true,
    background: Color32::from_rgb(0xF5, 0xF6, 0xFA),
    surface: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    surface_raised: Color32::from_rgb(0xEC, 0xEE, 0xF5),
    surface_hovered: Color32::from_rgb(0xDF, 0xE3, 0xEE),
    line: Color32::from_rgb(0xD6, 0xDB, 0xE7),
    text: Color32::from_rgb(0x14, 0x17, 0x1F),
    text_second: Color32::from_rgb(0x45, 0x4E, 0x5F),
    text_third: Color32::from_rgb(0x59, 0x62, 0x75),
    accent: Color32::from_rgb(0x4B, 0x57, 0xE0),
    accent_hovered: Color32::from_rgb(0x3C, 0x47, 0xCB),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    warm: Color32::from_rgb(0xF0, 0x76, 0x4F),
    danger: Color32::from_rgb(0xC6, 0x31, 0x37),
    danger_hovered: Color32::from_rgb(0xB4, 0x28, 0x2E),
    off: Color32::from_rgb(0xFB, 0xE3, 0xE5),
    off_hovered: Color32::from_rgb(0xF6, 0xD2, 0xD5),
    good: Color32::from_rgb(0x0F, 0x7A, 0x4E),
    warning: Color32::from_rgb(0x85, 0x56, 0x00),
    bad: Color32::from_rgb(0xB4, 0x23, 0x2A),
    focus: Color32::from_rgb(0x4B, 0x57, 0xE0),
    overlay: Color32::from_rgba_premultiplied(235, 235, 235, 235),
    faint: Color32::from_black_alpha(30),
};

thread_local! {
    static WORN: Cell<&'static Palette> = const { Cell::new(&DARK) };
}

impl Palette {
    /// That of a theme.
    pub fn of(theme: Theme) -> &'static Self {
        match theme {
            Theme::Dark => &DARK,
            Theme::Light => &LIGHT,
        }
    }

    /// Lets this thread draw in these colours from now on.
    pub fn wear(&'static self) {
        WORN.set(self);
    }
}

/// The edge of what floats over a picture.
pub fn overlay_line() -> Stroke {
    Stroke::new(1.0, faint())
}

macro_rules! colors {
    ($($(#[$doc:meta])* $name:ident)+) => {
        $(
            $(#[$doc])*
            pub fn $name() -> Color32 {
                WORN.get().$name
            }
        )+
    };
}

colors! {
    /// [`Palette::background`] of the colours that are worn.
    background
    /// [`Palette::surface`] of the colours that are worn.
    surface
    /// [`Palette::surface_raised`] of the colours that are worn.
    surface_raised
    /// [`Palette::surface_hovered`] of the colours that are worn.
    surface_hovered
    /// [`Palette::line`] of the colours that are worn.
    line
    /// [`Palette::text`] of the colours that are worn.
    text
    /// [`Palette::text_second`] of the colours that are worn.
    text_second
    /// [`Palette::text_third`] of the colours that are worn.
    text_third
    /// [`Palette::accent`] of the colours that are worn.
    accent
    /// [`Palette::accent_hovered`] of the colours that are worn.
    accent_hovered
    /// [`Palette::on_accent`] of the colours that are worn.
    on_accent
    /// [`Palette::warm`] of the colours that are worn.
    warm
    /// [`Palette::danger`] of the colours that are worn.
    danger
    /// [`Palette::danger_hovered`] of the colours that are worn.
    danger_hovered
    /// [`Palette::off`] of the colours that are worn.
    off
    /// [`Palette::off_hovered`] of the colours that are worn.
    off_hovered
    /// [`Palette::good`] of the colours that are worn.
    good
    /// [`Palette::warning`] of the colours that are worn.
    warning
    /// [`Palette::bad`] of the colours that are worn.
    bad
    /// [`Palette::focus`] of the colours that are worn.
    focus
    /// [`Palette::overlay`] of the colours that are worn.
    overlay
    /// [`Palette::faint`] of the colours that are worn.
    faint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_can_be_read_on_every_ground_it_stands_on() {
        for palette in [&DARK, &LIGHT] {
            let it = palette;
            let pairs = [
                (it.text, it.background),
                (it.text, it.surface_raised),
                (it.text, it.surface_hovered),
                (it.text_second, it.background),
                (it.text_second, it.surface),
                (it.text_second, it.surface_raised),
                (it.text_second, it.surface_hovered),
                (it.text_third, it.background),
                (it.text_third, it.surface),
                (it.text_third, it.surface_raised),
                (it.on_accent, it.accent),
                (it.on_accent, it.accent_hovered),
                (it.accent_hovered, it.surface_raised),
                (Color32::WHITE, it.danger),
                (Color32::WHITE, it.danger_hovered),
                (it.bad, it.surface),
                (it.bad, it.off),
                (it.bad, it.off_hovered),
                (it.warning, it.surface),
                (it.warning, it.background),
                (it.good, it.surface),
            ];
            for (text, ground) in pairs {
                let contrast = contrast(text, ground);
                assert!(
                    contrast >= 4.5,
                    "{text:?} on {ground:?} has only {contrast:.2}"
                );
            }
        }
    }

    /// What floats lets a little of the picture through; the worst picture is black under light, and white under dark.
    #[test]
    fn every_text_can_be_read_on_what_floats_over_any_picture() {
        for (palette, picture) in [(&DARK, Color32::WHITE), (&LIGHT, Color32::BLACK)] {
            let ground = picture.blend(palette.overlay);
            for text in [palette.text, palette.text_second] {
                let contrast = contrast(text, ground);
                assert!(contrast >= 4.5, "{text:?} has only {contrast:.2}");
            }
        }
    }

    /// WCAG 2.2, "contrast ratio".
    fn contrast(a: Color32, b: Color32) -> f32 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(color: Color32) -> f32 {
        let [r, g, b, _] = egui::Rgba::from(color).to_array();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }
}

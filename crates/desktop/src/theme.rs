//! Colours, type and spacing: the one place that says how Passerby looks.
//!
//! The window is dark everywhere, because a picture of a person looks wrong on white. Every pair of text and ground
//! named here has a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3); a test below holds that.

use std::sync::Arc;

use egui::{
    Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Shadow,
    Stroke, Style, TextStyle, Theme, Vec2, Visuals, vec2,
};

use crate::text::Language;

/// Behind everything.
pub const BACKGROUND: Color32 = Color32::from_rgb(0x0B, 0x0D, 0x12);
/// Panels, cards and menus.
pub const SURFACE: Color32 = Color32::from_rgb(0x13, 0x16, 0x1E);
/// Inputs and quiet buttons.
pub const SURFACE_RAISED: Color32 = Color32::from_rgb(0x1B, 0x1F, 0x2A);
/// What the pointer is over, and the stranger's bubbles.
pub const SURFACE_HOVERED: Color32 = Color32::from_rgb(0x26, 0x2B, 0x39);
/// Thin lines between surfaces.
pub const LINE: Color32 = Color32::from_rgb(0x23, 0x27, 0x33);
/// What is read first.
pub const TEXT: Color32 = Color32::from_rgb(0xF2, 0xF4, 0xF8);
/// What explains.
pub const TEXT_SECOND: Color32 = Color32::from_rgb(0xA9, 0xB1, 0xC2);
/// Hints.
pub const TEXT_THIRD: Color32 = Color32::from_rgb(0x8B, 0x94, 0xA8);
/// Start, Next, one's own bubbles.
pub const ACCENT: Color32 = Color32::from_rgb(0x6D, 0x7B, 0xFF);
/// [`ACCENT`] under the pointer.
pub const ACCENT_HOVERED: Color32 = Color32::from_rgb(0x84, 0x90, 0xFF);
/// Text on [`ACCENT`]; white would have too little contrast.
pub const ON_ACCENT: Color32 = Color32::from_rgb(0x0A, 0x0C, 0x18);
/// The second colour of the mark.
pub const WARM: Color32 = Color32::from_rgb(0xFF, 0x9B, 0x7A);
/// Stop, and what is off.
pub const DANGER: Color32 = Color32::from_rgb(0xC6, 0x31, 0x37);
/// [`DANGER`] under the pointer.
pub const DANGER_HOVERED: Color32 = Color32::from_rgb(0xD0, 0x38, 0x3E);
/// The ground of a switch that is off.
pub const OFF: Color32 = Color32::from_rgb(0x3A, 0x1C, 0x22);
/// [`OFF`] under the pointer.
pub const OFF_HOVERED: Color32 = Color32::from_rgb(0x49, 0x23, 0x2A);
/// Going well.
pub const GOOD: Color32 = Color32::from_rgb(0x46, 0xD3, 0x9A);
/// Needs attention.
pub const WARNING: Color32 = Color32::from_rgb(0xF5, 0xB9, 0x4A);
/// Goes badly, as small marks and text on dark.
pub const BAD: Color32 = Color32::from_rgb(0xFF, 0x7A, 0x7E);
/// Around what has the keyboard.
pub const FOCUS: Color32 = Color32::from_rgb(0xAF, 0xB7, 0xFF);

/// The ground of everything that floats over a picture.
pub fn overlay() -> Color32 {
    Color32::from_rgba_unmultiplied(12, 14, 20, 219)
}

/// The edge of what floats over a picture.
pub fn overlay_line() -> Stroke {
    Stroke::new(1.0, Color32::from_white_alpha(23))
}

/// Under this width the window is laid out for narrow ones: one column, chat at the bottom.
pub const NARROW_BELOW: f32 = 760.0;
/// Height of the buttons in the dock.
pub const DOCK_CONTROL: f32 = 44.0;
/// Height of pills, inputs and quiet buttons.
pub const CONTROL: f32 = 36.0;
/// Corners of cards and of the stage.
pub const RADIUS_CARD: u8 = 16;
/// Corners of buttons and inputs.
pub const RADIUS_CONTROL: u8 = 12;

const MEDIUM: &str = "medium";
const SEMIBOLD: &str = "semibold";

/// Running text of `size` points.
pub fn regular(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// Labels and buttons of `size` points.
pub fn medium(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(MEDIUM.into()))
}

/// Titles of `size` points.
pub fn semibold(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(SEMIBOLD.into()))
}

/// Gives `ctx` the fonts and the style. Call it once, before the first frame.
pub fn apply(ctx: &Context) {
    ctx.set_fonts(fonts());
    ctx.set_theme(Theme::Dark);
    ctx.all_styles_mut(style);
    // Sizes are a matter of the settings, which remember them.
    ctx.options_mut(|options| options.zoom_with_keyboard = false);
}

/// `language`, or English where no font of this system has its letters.
pub fn readable(ctx: &Context, language: Language) -> Language {
    let font = medium(14.0);
    if ctx.fonts_mut(|fonts| fonts.has_glyphs(&font, language.name())) {
        language
    } else {
        Language::English
    }
}

/// Lets things glide, or not.
pub fn set_motion(ctx: &Context, is_reduced: bool) {
    let seconds = if is_reduced {
        0.0
    } else {
        Style::default().animation_time
    };
    ctx.all_styles_mut(|style| style.animation_time = seconds);
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    // What Inter lacks (emoji, symbols) comes from the fonts that egui brings, then from the system's.
    let fallbacks = fonts
        .families
        .get(&FontFamily::Proportional)
        .cloned()
        .unwrap_or_default();
    let faces: [(FontFamily, &str, &'static [u8]); 3] = [
        (
            FontFamily::Proportional,
            "inter",
            include_bytes!("../../../assets/fonts/Inter-Regular.otf"),
        ),
        (
            FontFamily::Name(MEDIUM.into()),
            "inter-medium",
            include_bytes!("../../../assets/fonts/Inter-Medium.otf"),
        ),
        (
            FontFamily::Name(SEMIBOLD.into()),
            "inter-semibold",
            include_bytes!("../../../assets/fonts/Inter-SemiBold.otf"),
        ),
    ];
    for (family, name, bytes) in faces {
        fonts
            .font_data
            .insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        let chain = std::iter::once(name.to_owned())
            .chain(fallbacks.iter().cloned())
            .collect();
        fonts.families.insert(family, chain);
    }
    fonts
}

fn style(style: &mut Style) {
    style.text_styles = [
        (TextStyle::Small, regular(12.0)),
        (TextStyle::Body, regular(14.0)),
        (TextStyle::Button, medium(14.0)),
        (TextStyle::Heading, semibold(20.0)),
        (TextStyle::Monospace, FontId::monospace(13.0)),
    ]
    .into();
    style.spacing.item_spacing = vec2(8.0, 8.0);
    style.spacing.button_padding = vec2(12.0, 8.0);
    style.spacing.interact_size = Vec2::splat(CONTROL);
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.tooltip_width = 280.0;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.4;
    style.visuals = visuals();
}

fn visuals() -> Visuals {
    let mut visuals = Visuals::dark();
    visuals.panel_fill = BACKGROUND;
    visuals.window_fill = SURFACE;
    visuals.window_stroke = Stroke::new(1.0, LINE);
    visuals.menu_corner_radius = CornerRadius::same(RADIUS_CONTROL);
    visuals.window_corner_radius = CornerRadius::same(RADIUS_CARD);
    visuals.popup_shadow = Shadow {
        offset: [0, 8],
        blur: 24,
        spread: 0,
        color: Color32::from_black_alpha(120),
    };
    visuals.extreme_bg_color = SURFACE_RAISED;
    visuals.override_text_color = None;
    visuals.weak_text_color = Some(TEXT_THIRD);
    visuals.selection.bg_fill = ACCENT.gamma_multiply(0.45);
    visuals.selection.stroke = Stroke::new(1.5, FOCUS);
    visuals.text_cursor.stroke = Stroke::new(2.0, ACCENT_HOVERED);
    let corner = CornerRadius::same(RADIUS_CONTROL);
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, TEXT);
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, LINE);
    for (state, fill) in [
        (&mut widgets.inactive, SURFACE_RAISED),
        (&mut widgets.hovered, SURFACE_HOVERED),
        (&mut widgets.active, SURFACE_HOVERED),
        (&mut widgets.open, SURFACE_HOVERED),
    ] {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, LINE);
        state.fg_stroke = Stroke::new(1.0, TEXT);
        state.corner_radius = corner;
        state.expansion = 0.0;
    }
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_can_be_read_on_every_ground_it_stands_on() {
        let pairs = [
            (TEXT, BACKGROUND),
            (TEXT, SURFACE_HOVERED),
            (TEXT_SECOND, SURFACE),
            (TEXT_SECOND, SURFACE_HOVERED),
            (TEXT_THIRD, BACKGROUND),
            (TEXT_THIRD, SURFACE),
            (TEXT_THIRD, SURFACE_RAISED),
            (ON_ACCENT, ACCENT),
            (ON_ACCENT, ACCENT_HOVERED),
            (Color32::WHITE, DANGER),
            (Color32::WHITE, DANGER_HOVERED),
            (BAD, SURFACE),
            (BAD, OFF),
            (BAD, OFF_HOVERED),
            (WARNING, SURFACE),
        ];
        for (text, ground) in pairs {
            let contrast = contrast(text, ground);
            assert!(
                contrast >= 4.5,
                "{text:?} on {ground:?} has only {contrast:.2}"
            );
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

//! Type, spacing and style: with the colours of `palette`, the one place that says how Passerby looks.

mod palette;

use std::sync::Arc;

use egui::{
    Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Shadow,
    Stroke, Style, TextStyle, Theme, Ui, Vec2, Visuals, vec2,
};

use crate::text::Language;

pub use palette::{
    Palette, accent, accent_hovered, background, bad, danger, danger_hovered, faint, focus, good,
    line, off, off_hovered, on_accent, overlay, overlay_line, surface, surface_hovered,
    surface_raised, text, text_second, text_third, warm, warning,
};

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
    for theme in [Theme::Dark, Theme::Light] {
        ctx.style_mut_of(theme, |it| style(it, Palette::of(theme)));
    }
    ctx.set_theme(Theme::Dark);
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

/// Draws in the colours of `theme` from now on.
pub fn wear(ui: &mut Ui, theme: Theme) {
    Palette::of(theme).wear();
    if ui.ctx().theme() != theme {
        ui.ctx().set_theme(theme);
        // This frame has begun with the other one.
        ui.set_style(ui.ctx().style_of(theme));
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

fn style(style: &mut Style, palette: &Palette) {
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
    style.visuals = visuals(palette);
}

fn visuals(palette: &Palette) -> Visuals {
    let mut visuals = if palette.is_light {
        Visuals::light()
    } else {
        Visuals::dark()
    };
    visuals.panel_fill = palette.background;
    visuals.window_fill = palette.surface;
    visuals.window_stroke = Stroke::new(1.0, palette.line);
    visuals.menu_corner_radius = CornerRadius::same(RADIUS_CONTROL);
    visuals.window_corner_radius = CornerRadius::same(RADIUS_CARD);
    visuals.popup_shadow = Shadow {
        offset: [0, 8],
        blur: 24,
        spread: 0,
        color: Color32::from_black_alpha(120),
    };
    visuals.extreme_bg_color = palette.surface_raised;
    visuals.override_text_color = None;
    visuals.weak_text_color = Some(palette.text_third);
    visuals.selection.bg_fill = palette.accent.gamma_multiply(0.45);
    visuals.selection.stroke = Stroke::new(1.5, palette.focus);
    visuals.text_cursor.stroke = Stroke::new(2.0, palette.accent_hovered);
    let corner = CornerRadius::same(RADIUS_CONTROL);
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, palette.text);
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, palette.line);
    for (state, fill) in [
        (&mut widgets.inactive, palette.surface_raised),
        (&mut widgets.hovered, palette.surface_hovered),
        (&mut widgets.active, palette.surface_hovered),
        (&mut widgets.open, palette.surface_hovered),
    ] {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, palette.line);
        state.fg_stroke = Stroke::new(1.0, palette.text);
        state.corner_radius = corner;
        state.expansion = 0.0;
    }
    visuals
}

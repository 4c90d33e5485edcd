//! The chat of a call. What the stranger writes is shown as plain text and nothing else: no links, no pictures.

use std::time::Duration;

use egui::{
    Align, CornerRadius, Frame, Id, Key, Label, Layout, Margin, Rect, ScrollArea, Stroke,
    StrokeKind, TextEdit, Ui, UiBuilder, pos2, vec2,
};
use engine::{ChatLine, Command, Speaker};
use protocol::limits::CHAT_CHARS;

use crate::actions::Action;
use crate::icons::Icon;
use crate::screens::View;
use crate::state::WindowState;
use crate::widgets::{Button, Look, describe, was_pressed, within, words};
use crate::{text, theme};

/// Older lines are not drawn; nobody scrolls back this far in a call.
const MOST_LINES: usize = 200;
const HEADER: f32 = 52.0;
const FOOTER: f32 = 68.0;
const PADDING: f32 = 14.0;

/// Draws the chat over `rect`.
pub(crate) fn ui(
    ui: &mut Ui,
    rect: Rect,
    is_edge_to_edge: bool,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let radius = if is_edge_to_edge {
        0
    } else {
        theme::RADIUS_CARD
    };
    let line = Stroke::new(1.0, theme::line());
    ui.painter()
        .rect(rect, radius, theme::surface(), line, StrokeKind::Inside);
    header_ui(ui, rect, view, state, out);
    let middle = Rect::from_min_max(
        pos2(rect.left(), rect.top() + HEADER),
        pos2(rect.right(), rect.bottom() - FOOTER),
    );
    within(ui, "lines", middle, |ui| lines_ui(ui, view));
    let footer = rect.with_min_y(rect.bottom() - FOOTER);
    within(ui, "message", footer, |ui| {
        message_ui(ui, footer, view, state, out);
    });
}

fn header_ui(
    ui: &mut Ui,
    rect: Rect,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let header = rect.with_max_y(rect.top() + HEADER);
    let at = pos2(header.left() + PADDING + 4.0, header.center().y);
    let title = theme::semibold(16.0);
    let place = ui.painter().text(
        at,
        egui::Align2::LEFT_CENTER,
        tr!("Chat"),
        title,
        theme::text(),
    );
    describe(
        ui,
        Id::unique("chat-title"),
        place,
        egui::accesskit::Role::Heading,
        tr!("Chat"),
    );
    ui.painter().hline(
        header.x_range(),
        header.bottom(),
        Stroke::new(1.0, theme::line()),
    );
    let close = Rect::from_center_size(
        pos2(header.right() - 30.0, header.center().y),
        vec2(36.0, 36.0),
    );
    let button = Button::icon(Look::Bare, Icon::Close, tr!("Close chat panel")).icon_size(16.0);
    let button = button.hint(Action::ToggleChat.hint(view.snapshot, state));
    if was_pressed(&button.show_at(ui, Id::unique("close-chat"), close)) {
        Action::ToggleChat.perform(view.snapshot, state, out);
    }
}

fn lines_ui(ui: &mut Ui, view: View<'_>) {
    let height = ui.available_height();
    let lines = &view.snapshot.chat;
    let is_typing = view.snapshot.partner.is_typing;
    ScrollArea::vertical()
        .auto_shrink(false)
        .stick_to_bottom(true)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            // Few lines stand at the bottom, next to where one writes. Their height is known from the last pass.
            let memory = Id::unique("chat-height");
            let known: f32 = ui.data(|data| data.get_temp(memory)).unwrap_or(0.0);
            ui.add_space((height - known).max(0.0));
            let top = ui.cursor().top();
            ui.add_space(PADDING);
            hint_ui(ui);
            let skipped = lines.len().saturating_sub(MOST_LINES);
            let mut last = None;
            for line in lines.iter().skip(skipped) {
                ui.add_space(if last == Some(line.speaker) {
                    4.0
                } else {
                    12.0
                });
                line_ui(ui, line);
                last = Some(line.speaker);
            }
            if is_typing {
                ui.add_space(if last == Some(Speaker::Partner) {
                    4.0
                } else {
                    12.0
                });
                typing_ui(ui);
            }
            ui.add_space(PADDING);
            let content = ui.cursor().top() - top;
            if (content - known).abs() > 0.5 {
                ui.data_mut(|data| data.insert_temp(memory, content));
                ui.ctx().request_discard("the chat has grown");
            }
        });
}

fn hint_ui(ui: &mut Ui) {
    let hint = tr!("Messages vanish when you part.");
    ui.with_layout(Layout::top_down(Align::Center), |ui| {
        ui.label(words(hint, theme::regular(12.0), theme::text_third()));
    });
}

fn line_ui(ui: &mut Ui, line: &ChatLine) {
    let is_mine = line.speaker == Speaker::Me;
    let (ground, ink) = if is_mine {
        (theme::accent(), theme::on_accent())
    } else {
        (theme::surface_hovered(), theme::text())
    };
    let available = ui.available_width();
    let widest = (available - 2.0 * PADDING) * 0.82 - 26.0;
    let shown = text::plain(&line.text);
    let font = theme::regular(14.0);
    let galley = ui
        .painter()
        .layout(shown.clone(), font.clone(), ink, widest);
    let size = galley.size() + vec2(26.0, 18.0);
    let (_, row) = ui.allocate_space(vec2(available, size.y));
    let left = if is_mine {
        row.right() - PADDING - size.x
    } else {
        row.left() + PADDING
    };
    let bubble = Rect::from_min_size(pos2(left, row.top()), size);
    ui.painter().rect_filled(bubble, tail(is_mine), ground);
    // A label and no painted text: it can be marked and copied, and screen readers find it.
    let place = Rect::from_min_size(bubble.min + vec2(13.0, 9.0), galley.size() + vec2(1.0, 0.0));
    let mut inside = ui.new_child(
        UiBuilder::new()
            .max_rect(place)
            .layout(Layout::top_down(Align::Min)),
    );
    inside.add(Label::new(words(shown, font, ink)).selectable(true).wrap());
}

fn tail(is_mine: bool) -> CornerRadius {
    let round = CornerRadius::same(16);
    if is_mine {
        CornerRadius { se: 5, ..round }
    } else {
        CornerRadius { sw: 5, ..round }
    }
}

fn typing_ui(ui: &mut Ui) {
    let (_, row) = ui.allocate_space(vec2(ui.available_width(), 34.0));
    let bubble = Rect::from_min_size(pos2(row.left() + PADDING, row.top()), vec2(54.0, 34.0));
    ui.painter()
        .rect_filled(bubble, tail(false), theme::surface_hovered());
    let time = ui.input(|input| input.time) as f32;
    for dot in 0..3 {
        let wave = ((time * 5.0 - dot as f32 * 0.9).sin() * 0.5 + 0.5).powi(2);
        let center = bubble.center() + vec2((dot as f32 - 1.0) * 10.0, 0.0);
        ui.painter().circle_filled(
            center,
            3.2,
            theme::text_second().gamma_multiply(0.45 + 0.55 * wave),
        );
    }
    describe(
        ui,
        Id::unique("typing"),
        bubble,
        egui::accesskit::Role::Label,
        tr!("The stranger is writing"),
    );
    ui.request_repaint_after(Duration::from_millis(50));
}

fn message_ui(
    ui: &mut Ui,
    rect: Rect,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let can_send = view.snapshot.partner.is_chat_open;
    let id = Id::unique("message");
    let field = rect.shrink2(vec2(PADDING, 12.0));
    let has_focus = ui.memory(|memory| memory.has_focus(id));
    let line = if has_focus {
        Stroke::new(1.5, theme::accent_hovered())
    } else {
        Stroke::new(1.0, theme::line())
    };
    ui.painter()
        .rect(field, 14, theme::surface_raised(), line, StrokeKind::Inside);

    let hint = if can_send {
        tr!("Write a message")
    } else {
        tr!("The chat is not open yet")
    };
    let edit = TextEdit::singleline(&mut state.chat_draft)
        .id(id)
        .hint_text(words(hint, theme::regular(14.0), theme::text_third()))
        .font(theme::regular(14.0))
        .text_color(theme::text())
        .char_limit(CHAT_CHARS)
        .frame(Frame::NONE)
        .margin(Margin::ZERO)
        .min_size(vec2(0.0, field.height()))
        .align(egui::Align2::LEFT_CENTER);
    let inner = Rect::from_min_max(field.min + vec2(14.0, 0.0), field.max - vec2(46.0, 0.0));
    let response = ui
        .scope_builder(
            UiBuilder::new()
                .max_rect(inner)
                .layout(Layout::left_to_right(Align::Center)),
            |ui| ui.add_enabled(can_send, edit.desired_width(inner.width())),
        )
        .inner
        .accessible_name(tr!("Message"));
    if std::mem::take(&mut state.wants_chat_focus) {
        // Takes effect in the next frame, so that the key that opened the chat is not typed into it.
        response.request_focus();
    }
    let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));

    let is_empty = state.chat_draft.trim().is_empty();
    let send = Rect::from_center_size(
        pos2(field.right() - 24.0, field.center().y),
        vec2(34.0, 34.0),
    );
    let look = if is_empty || !can_send {
        Look::Bare
    } else {
        Look::Primary
    };
    let button = Button::icon(look, Icon::Send, tr!("Send"))
        .hint(format!("{}  (Enter)", tr!("Send")))
        .icon_size(17.0);
    let button = button.enabled(can_send && !is_empty);
    let is_pressed = was_pressed(&button.show_at(ui, Id::unique("send"), send));
    state.is_draft_changed |= response.changed();
    if (is_entered || is_pressed) && can_send {
        let line = std::mem::take(&mut state.chat_draft);
        if !line.trim().is_empty() {
            out.push(Command::SendChat(line.trim().to_owned()));
        }
        response.request_focus();
    }
}

//! Every screen with made-up data in a real window, without camera and network.
//!
//! `cargo run -p desktop --example gallery`, then Page Down and Page Up go through the screens. A number on the command
//! line is the screen to begin with.

#[path = "../tests/made_up/scenes.rs"]
mod scenes;

use std::time::Instant;

use desktop::window::Window;
use egui::{Key, ViewportCommand};
use engine::{Command, Snapshot};
use scenes::SCENES;

fn main() -> eframe::Result {
    let first = std::env::args()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default().with_inner_size([1100.0, 720.0]),
        renderer: eframe::Renderer::Glow,
        ..Default::default()
    };
    eframe::run_native(
        "Passerby gallery",
        options,
        Box::new(move |creation| {
            desktop::theme::apply(&creation.egui_ctx);
            Ok(Box::new(Gallery {
                index: first % SCENES.len(),
                shown: None,
            }))
        }),
    )
}

struct Gallery {
    index: usize,
    shown: Option<(Window, Snapshot)>,
}

impl eframe::App for Gallery {
    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        let now = Instant::now();
        let step = ui.input(|input| {
            usize::from(input.key_pressed(Key::PageDown))
                + (SCENES.len() - 1) * usize::from(input.key_pressed(Key::PageUp))
        });
        if step > 0 {
            self.index = (self.index + step) % SCENES.len();
            self.shown = None;
        }
        let scene = &SCENES[self.index];
        let (window, snapshot) = self.shown.get_or_insert_with(|| {
            let title = format!(
                "Passerby gallery: {} ({} of {})",
                scene.name,
                self.index + 1,
                SCENES.len()
            );
            ui.ctx().send_viewport_cmd(ViewportCommand::Title(title));
            (scene.window(ui.ctx(), now), scene.snapshot(now))
        });
        window.observe(snapshot, now);
        for command in window.ui(ui, snapshot, now) {
            // Switches answer, so that their other state can be seen; everything else is only told.
            match command {
                Command::SetMicrophone(is_on) => snapshot.devices.is_microphone_on = is_on,
                Command::SetCamera(is_on) => snapshot.devices.is_camera_on = is_on,
                other => println!("{other:?}"),
            }
        }
    }
}

//! Pictures to the GPU as they come: three planes, which a shader turns into colours while it draws.
//!
//! This saves the conversion to RGBA on the CPU, and more than half of the bytes on the way to the GPU. A picture is uploaded once, when it is
//! drawn for the first time; drawing it again uploads nothing. Where there is no such way ([`Renderer::new`] fails, or later a texture
//! cannot be had) pictures are converted on the CPU instead: see [`crate::pictures`].

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eframe::egui_glow::{CallbackFn, Painter, ShaderVersion};
use eframe::glow;
use egui::{PaintCallback, PaintCallbackInfo, Rect, Shape};
use media::video::VideoFrame;

mod gl;

use gl::{Drawing, Program, Textures};

/// Who turns pictures into colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Render {
    /// The GPU, where there is one, and the CPU otherwise.
    #[default]
    Auto,
    /// A shader, whoever runs it.
    Planes,
    /// The CPU.
    Rgba,
}

/// Not the name of a way to draw.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is one of auto, planes and rgba")]
pub struct UnknownRender;

impl FromStr for Render {
    type Err = UnknownRender;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "planes" => Ok(Self::Planes),
            "rgba" => Ok(Self::Rgba),
            _ => Err(UnknownRender),
        }
    }
}

impl fmt::Display for Render {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Planes => "planes",
            Self::Rgba => "rgba",
        })
    }
}

/// Draws the pictures of all windows that share an OpenGL context.
#[derive(Debug)]
pub struct Renderer {
    program: Program,
    /// Whether a texture could not be had. Then the CPU goes on.
    has_failed: AtomicBool,
}

impl Renderer {
    /// The renderer for `render`, if planes are to be drawn. The context must be current. What stands against it is logged.
    pub fn of(render: Render, gl: &glow::Context) -> Option<Arc<Self>> {
        let is_software = gl::is_software(gl);
        if !are_planes_wanted(render, is_software) {
            tracing::debug!(%render, is_software, "pictures are converted on the CPU");
            return None;
        }
        match Self::new(gl, ShaderVersion::get(gl)) {
            Ok(renderer) => Some(Arc::new(renderer)),
            Err(error) => {
                tracing::warn!(%error, "pictures are converted on the CPU");
                None
            }
        }
    }

    /// Prepares to draw with this version of the shading language. The context must be current.
    ///
    /// # Errors
    /// In the driver's words, when the program does not compile or textures of one channel cannot be had.
    pub fn new(gl: &glow::Context, version: ShaderVersion) -> Result<Self, String> {
        Ok(Self {
            program: Program::new(gl, version)?,
            has_failed: AtomicBool::new(false),
        })
    }

    /// Whether it goes on drawing.
    pub fn is_usable(&self) -> bool {
        !self.has_failed.load(Ordering::Relaxed)
    }

    fn fail(&self, error: &str) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(error, "pictures are converted on the CPU from now on");
        }
    }
}

/// On a machine without GPU the driver's shader is the slower of the two.
const fn are_planes_wanted(render: Render, is_software: bool) -> bool {
    match render {
        Render::Auto => !is_software,
        Render::Planes => true,
        Render::Rgba => false,
    }
}

/// How a picture is shown in a rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Which part of the picture is shown, from 0 to 1. Turned round, it is mirrored.
    pub part: Rect,
    /// How round the corners are, in points.
    pub radius: f32,
    /// 1 is as it is, 0 is black.
    pub brightness: f32,
    /// 1 is opaque.
    pub opacity: f32,
}

/// The planes of one picture that changes many times a second.
#[derive(Debug, Default)]
pub struct Planes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What is to be uploaded when it is drawn next.
    waiting: Option<Arc<VideoFrame>>,
    /// What is drawn. It stays when there is no picture any more, for the next one.
    textures: Option<Textures>,
    uploads: u64,
}

impl Planes {
    /// Shows `frame` from the next drawing on. One that was not drawn meanwhile is dropped.
    pub fn set(&self, frame: Arc<VideoFrame>) {
        self.state().waiting = Some(frame);
    }

    /// Lets go of a picture that was not drawn.
    pub fn clear(&self) {
        self.state().waiting = None;
    }

    /// How many pictures were uploaded.
    pub fn uploads(&self) -> u64 {
        self.state().uploads
    }

    /// What egui has to paint for this picture to be seen at `place`.
    pub fn shape(self: &Arc<Self>, renderer: &Arc<Renderer>, place: Rect, look: Look) -> Shape {
        let (planes, renderer) = (Arc::clone(self), Arc::clone(renderer));
        let paint = move |info: PaintCallbackInfo, painter: &Painter| {
            planes.paint(&renderer, painter.gl(), &info, look);
        };
        Shape::Callback(PaintCallback {
            rect: place,
            callback: Arc::new(CallbackFn::new(paint)),
        })
    }

    fn paint(&self, renderer: &Renderer, gl: &glow::Context, info: &PaintCallbackInfo, look: Look) {
        let state = &mut *self.state();
        if let Some(frame) = state.waiting.take() {
            match upload(renderer, gl, &mut state.textures, &frame) {
                Ok(()) => state.uploads += 1,
                Err(error) => {
                    state.textures = None;
                    renderer.fail(&error);
                }
            }
        }
        if let Some(textures) = &state.textures {
            let drawing = drawing(info, look);
            renderer.program.draw(gl, textures, &drawing);
        }
    }

    /// All windows are drawn by one thread, so that nobody waits here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn upload(
    renderer: &Renderer,
    gl: &glow::Context,
    textures: &mut Option<Textures>,
    frame: &VideoFrame,
) -> Result<(), String> {
    let textures = match textures {
        Some(textures) => textures,
        None => textures.insert(Textures::new(gl)?),
    };
    renderer.program.upload(gl, textures, frame)
}

/// In pixels. The edges lie between pixels, as those of egui's rectangles do.
fn drawing(info: &PaintCallbackInfo, look: Look) -> Drawing {
    let scale = info.pixels_per_point;
    let place = info.viewport;
    let [left, top, right, bottom] = [place.left(), place.top(), place.right(), place.bottom()]
        .map(|points| (points * scale).round());
    let Rect { min, max } = look.part;
    Drawing {
        place_px: [left, top, right - left, bottom - top],
        screen_px: info.screen_size_px.map(|side| side as f32),
        part: [min.x, min.y, max.x, max.y],
        radius_px: look.radius * scale,
        brightness: look.brightness,
        opacity: look.opacity,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;

#[cfg(test)]
mod choice_tests {
    use super::*;

    #[test]
    fn the_cpu_converts_where_it_would_have_to_draw_as_well() {
        assert!(are_planes_wanted(Render::Auto, false));
        assert!(!are_planes_wanted(Render::Auto, true));
        assert!(are_planes_wanted(Render::Planes, true));
        assert!(!are_planes_wanted(Render::Rgba, false));
    }

    #[test]
    fn ways_to_draw_are_written_as_they_are_read() {
        for render in [Render::Auto, Render::Planes, Render::Rgba] {
            assert_eq!(render.to_string().parse(), Ok(render));
        }
        assert_eq!("GPU".parse::<Render>(), Err(UnknownRender));
    }
}

//! An OpenGL context without a window, and egui on it.
#![expect(unsafe_code, reason = "OpenGL without a window")]

use std::sync::Arc;

use eframe::egui_glow::{Painter, ShaderVersion};
use eframe::glow::{self, HasContext as _};
use egui::{ColorImage, RawInput, Rect, Ui, pos2, vec2};
use glutin::api::egl::context::PossiblyCurrentContext;
use glutin::api::egl::device::Device;
use glutin::api::egl::display::Display;
use glutin::config::{ConfigSurfaceTypes, ConfigTemplateBuilder};
use glutin::context::{ContextApi, ContextAttributesBuilder, GlProfile};
use glutin::prelude::*;

use super::show;
use crate::pictures::{Picture, Pictures};
use crate::planes::Renderer;

/// The largest window of these tests.
const MOST_PX: i32 = 512;
/// Each kind of context that eframe may get, with each version of the shading language that egui knows.
const KINDS: [(ContextApi, GlProfile, ShaderVersion); 4] = [
    (
        ContextApi::OpenGl(None),
        GlProfile::Core,
        ShaderVersion::Gl140,
    ),
    (
        ContextApi::OpenGl(None),
        GlProfile::Compatibility,
        ShaderVersion::Gl120,
    ),
    (
        ContextApi::Gles(None),
        GlProfile::Core,
        ShaderVersion::Es300,
    ),
    (
        ContextApi::Gles(None),
        GlProfile::Core,
        ShaderVersion::Es100,
    ),
];
/// An OpenGL context that draws into memory, and egui on it.
pub(super) struct Canvas {
    pub(super) painter: Painter,
    pub(super) ctx: egui::Context,
    pub(super) renderer: Arc<Renderer>,
    _context: PossiblyCurrentContext,
}

impl Canvas {
    fn new(
        (api, profile, version): (ContextApi, GlProfile, ShaderVersion),
    ) -> Result<Self, String> {
        let (context, gl) = context(api, profile)?;
        // SAFETY: the context is current, and all names were made with it.
        unsafe {
            let texture = gl.create_texture()?;
            gl.bind_texture(glow::TEXTURE_2D, Some(texture));
            gl.tex_image_2d(
                glow::TEXTURE_2D,
                0,
                glow::RGBA as i32,
                MOST_PX,
                MOST_PX,
                0,
                glow::RGBA,
                glow::UNSIGNED_BYTE,
                glow::PixelUnpackData::Slice(None),
            );
            let framebuffer = gl.create_framebuffer()?;
            gl.bind_framebuffer(glow::FRAMEBUFFER, Some(framebuffer));
            gl.framebuffer_texture_2d(
                glow::FRAMEBUFFER,
                glow::COLOR_ATTACHMENT0,
                glow::TEXTURE_2D,
                Some(texture),
                0,
            );
            let status = gl.check_framebuffer_status(glow::FRAMEBUFFER);
            assert_eq!(status, glow::FRAMEBUFFER_COMPLETE);
        }
        let renderer = Arc::new(Renderer::new(&gl, version)?);
        let painter = Painter::new(Arc::new(gl), "", Some(version), false);
        Ok(Self {
            painter: painter.map_err(|error| error.to_string())?,
            ctx: egui::Context::default(),
            renderer,
            _context: context,
        })
    }

    /// Those that this machine can make. None is a failure where the lab's display must be there.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let is_demanded = std::env::var("PASSERBY_LAB")
            .is_ok_and(|list| list == "on" || list.split(',').any(|part| part.trim() == "display"));
        KINDS.into_iter().filter_map(move |kind| {
            let made = Self::new(kind);
            if let Err(error) = &made {
                assert!(!is_demanded, "{kind:?}: {error}");
                eprintln!("left out: {kind:?}: {error}");
            }
            made.ok()
        })
    }

    pub(super) fn pictures(&self) -> Pictures {
        let pictures = Pictures::default();
        pictures.draw_with(&self.renderer);
        pictures
    }

    /// One pass of a window of this size, in pixels.
    pub(super) fn draw(
        &mut self,
        (width, height): (u32, u32),
        mut show: impl FnMut(&mut Ui),
    ) -> ColorImage {
        let size = vec2(width as f32, height as f32);
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), size)),
            ..RawInput::default()
        };
        let mut output = self.ctx.run_ui(input, |ui| show(ui));
        let scale = output.pixels_per_point;
        let primitives = self.ctx.tessellate(output.shapes, scale);
        let size = [width, height];
        self.painter.clear(size, [0.0; 4]);
        let textures = &mut output.textures_delta;
        self.painter
            .paint_and_update_textures(size, scale, &primitives, textures);
        self.painter.read_screen_rgba(size)
    }

    /// The picture as large as it is, and nothing else.
    pub(super) fn draw_whole(&mut self, picture: &Picture) -> ColorImage {
        let size_px = picture.size_px().expect("there is a picture");
        self.draw(size_px, |ui| {
            show(ui, picture, ui.max_rect(), |view| view);
        })
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        self.painter.destroy();
    }
}

fn context(
    api: ContextApi,
    profile: GlProfile,
) -> Result<(PossiblyCurrentContext, glow::Context), String> {
    let words = |error: glutin::error::Error| error.to_string();
    let mut last = "no device".to_owned();
    for device in Device::query_devices().map_err(words)? {
        // SAFETY: no display of another library is handed in, and the functions are those of this context, which is current.
        let made = unsafe {
            Display::with_device(&device, None).and_then(|display| {
                let template = ConfigTemplateBuilder::new()
                    .with_surface_type(ConfigSurfaceTypes::empty())
                    .build();
                let config = display.find_configs(template)?.next();
                let config = config.ok_or(glutin::error::ErrorKind::NotFound)?;
                let attributes = ContextAttributesBuilder::new()
                    .with_context_api(api)
                    .with_profile(profile)
                    .build(None);
                let context = display.create_context(&config, &attributes)?;
                let context = context.make_current_surfaceless()?;
                let gl =
                    glow::Context::from_loader_function_cstr(|name| display.get_proc_address(name));
                Ok((context, gl))
            })
        };
        match made {
            Ok(made) => return Ok(made),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

//! OpenGL behind safe functions: the only unsafe code of the window.
//!
//! Everything here runs while egui paints, with its context, and leaves behind what egui sets anew after each callback. The names of
//! textures, buffers and programs live as long as the context, which ends with the window: there are a handful of them, and none is
//! made for a picture.
#![expect(unsafe_code, reason = "OpenGL; every block says why it is sound")]

use eframe::egui_glow::ShaderVersion;
use eframe::glow::{self, HasContext as _};
use media::video::{Colors, VideoFrame};

mod compile;

use compile::link;

const FRAGMENT_SHADER: &str = include_str!("picture.frag");
/// The corners of a rectangle as a strip of two triangles, each `x, y` from 0 to 1.
const CORNERS: [f32; 8] = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
const BYTES_OF_CORNER: i32 = 8;
/// More errors than this are not fetched: a lost context may have no end of them.
const MOST_ERRORS: usize = 16;
/// By these words in their names the drivers are known that draw with the CPU.
const SOFTWARE: [&str; 6] = [
    "llvmpipe",
    "softpipe",
    "swiftshader",
    "software",
    "gdi generic",
    "microsoft basic render",
];

/// How one picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Drawing {
    /// Left, top, width and height in pixels of the window.
    pub(super) place_px: [f32; 4],
    /// Width and height of the window in pixels.
    pub(super) screen_px: [f32; 2],
    /// Left, top, right and bottom of what is shown of the picture, from 0 to 1. What is turned round is mirrored.
    pub(super) part: [f32; 4],
    pub(super) radius_px: f32,
    /// 1 is as it is, 0 is black.
    pub(super) brightness: f32,
    /// 1 is opaque, 0 is not to be seen.
    pub(super) opacity: f32,
}

/// Three planes on the GPU, of one size.
#[derive(Debug)]
pub(super) struct Textures {
    names: [glow::Texture; 3],
    size_px: Option<(u32, u32)>,
    colors: Colors,
}

/// The program that makes a picture of three planes.
#[derive(Debug)]
pub(super) struct Program {
    name: glow::Program,
    corners: glow::Buffer,
    /// Keeps what is set about the corners from what egui has set; none where the driver knows no such thing, as egui has none there.
    vertex_array: Option<glow::VertexArray>,
    corner: u32,
    uniforms: Uniforms,
    format: Format,
}

#[derive(Debug)]
struct Uniforms {
    place: Option<glow::UniformLocation>,
    screen: Option<glow::UniformLocation>,
    part: Option<glow::UniformLocation>,
    planes: [Option<glow::UniformLocation>; 3],
    factors: Option<glow::UniformLocation>,
    added: Option<glow::UniformLocation>,
    black: Option<glow::UniformLocation>,
    shade: Option<glow::UniformLocation>,
    opacity: Option<glow::UniformLocation>,
    corners: Option<glow::UniformLocation>,
}

/// How a plane of bytes is called: one channel, found in red.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    internal: u32,
    given: u32,
}

impl Format {
    const fn of(version: ShaderVersion) -> Self {
        match version {
            // OpenGL 2 and ES 2 know no red alone.
            ShaderVersion::Gl120 | ShaderVersion::Es100 => Self {
                internal: glow::LUMINANCE,
                given: glow::LUMINANCE,
            },
            ShaderVersion::Gl140 | ShaderVersion::Es300 => Self {
                internal: glow::R8,
                given: glow::RED,
            },
        }
    }
}

/// Whether the CPU draws, as far as the driver's name tells.
pub(super) fn is_software(gl: &glow::Context) -> bool {
    // SAFETY: the context is current.
    let name = unsafe { gl.get_parameter_string(glow::RENDERER) };
    is_software_name(&name)
}

fn is_software_name(name: &str) -> bool {
    let name = name.to_lowercase();
    SOFTWARE.iter().any(|word| name.contains(word))
}

impl Program {
    /// Compiles the program, and sees whether textures of one channel can be had.
    pub(super) fn new(gl: &glow::Context, version: ShaderVersion) -> Result<Self, String> {
        Self::of(gl, version, FRAGMENT_SHADER)
    }

    fn of(gl: &glow::Context, version: ShaderVersion, fragment: &str) -> Result<Self, String> {
        take_errors(gl);
        // SAFETY: the context is current, and every name that is used here was made here.
        let program = unsafe {
            let name = link(gl, version, fragment)?;
            let corner = gl
                .get_attrib_location(name, "a_corner")
                .ok_or("the program has no corners")?;
            let corners = gl.create_buffer()?;
            let vertex_array = if has_vertex_arrays(gl) {
                Some(gl.create_vertex_array()?)
            } else {
                None
            };
            let uniform = |title| gl.get_uniform_location(name, title);
            let program = Self {
                uniforms: Uniforms {
                    place: uniform("u_place"),
                    screen: uniform("u_screen"),
                    part: uniform("u_part"),
                    planes: ["u_luma", "u_blue", "u_red"].map(uniform),
                    factors: uniform("u_factors"),
                    added: uniform("u_added"),
                    black: uniform("u_black"),
                    shade: uniform("u_shade"),
                    opacity: uniform("u_opacity"),
                    corners: uniform("u_corners"),
                },
                name,
                corners,
                vertex_array,
                corner,
                format: Format::of(version),
            };
            program.bind_corners(gl);
            let bytes: Vec<u8> = CORNERS.iter().flat_map(|x| x.to_ne_bytes()).collect();
            gl.buffer_data_u8_slice(glow::ARRAY_BUFFER, &bytes, glow::STATIC_DRAW);
            program.let_go_of_corners(gl);
            program
        };
        let mut trial = Textures::new(gl)?;
        trial.resize(gl, program.format, (2, 2))?;
        trial.delete(gl);
        Ok(program)
    }

    /// Writes a picture into `textures`, which are made as large as it is.
    pub(super) fn upload(
        &self,
        gl: &glow::Context,
        textures: &mut Textures,
        frame: &VideoFrame,
    ) -> Result<(), String> {
        let size_px = (frame.width_px(), frame.height_px());
        if textures.size_px != Some(size_px) {
            textures.resize(gl, self.format, size_px)?;
        }
        let planes = [frame.y(), frame.u(), frame.v()];
        for ((plane, name), (width, height)) in
            planes.into_iter().zip(textures.names).zip(sizes(size_px))
        {
            // SAFETY: the context is current, the texture is that large, and a plane of a picture has a byte for each pixel, in rows
            // without padding, which is what an alignment of 1 says.
            unsafe {
                gl.bind_texture(glow::TEXTURE_2D, Some(name));
                gl.pixel_store_i32(glow::UNPACK_ALIGNMENT, 1);
                gl.tex_sub_image_2d(
                    glow::TEXTURE_2D,
                    0,
                    0,
                    0,
                    width,
                    height,
                    self.format.given,
                    glow::UNSIGNED_BYTE,
                    glow::PixelUnpackData::Slice(Some(plane)),
                );
            }
        }
        textures.colors = frame.colors();
        Ok(())
    }

    /// Draws what is in `textures`. Where nothing is to be seen through it, nothing is blended.
    pub(super) fn draw(&self, gl: &glow::Context, textures: &Textures, drawing: &Drawing) {
        let to_rgb = textures.colors.to_rgb();
        // OpenGL has columns first.
        let factors: [f32; 9] = std::array::from_fn(|index| to_rgb.factors[index % 3][index / 3]);
        let [_, _, width, height] = drawing.place_px;
        let radius_px = drawing.radius_px.min(width / 2.0).min(height / 2.0);
        let corners = [width / 2.0, height / 2.0, radius_px];
        let uniforms = &self.uniforms;
        // SAFETY: the context is current, all names were made with it, and the arrays have the lengths that the shaders say.
        unsafe {
            let [screen_width, screen_height] = drawing.screen_px;
            gl.viewport(0, 0, screen_width as i32, screen_height as i32);
            if radius_px <= 0.0 && drawing.opacity >= 1.0 {
                gl.disable(glow::BLEND);
            }
            gl.use_program(Some(self.name));
            gl.uniform_4_f32_slice(uniforms.place.as_ref(), &drawing.place_px);
            gl.uniform_2_f32_slice(uniforms.screen.as_ref(), &drawing.screen_px);
            gl.uniform_4_f32_slice(uniforms.part.as_ref(), &drawing.part);
            gl.uniform_matrix_3_f32_slice(uniforms.factors.as_ref(), false, &factors);
            gl.uniform_3_f32_slice(uniforms.added.as_ref(), &to_rgb.added);
            gl.uniform_1_f32(uniforms.black.as_ref(), to_rgb.black);
            gl.uniform_1_f32(uniforms.shade.as_ref(), drawing.brightness);
            gl.uniform_1_f32(uniforms.opacity.as_ref(), drawing.opacity);
            gl.uniform_3_f32_slice(uniforms.corners.as_ref(), &corners);
            for (unit, (name, uniform)) in
                (0..).zip(textures.names.into_iter().zip(&uniforms.planes))
            {
                gl.active_texture(glow::TEXTURE0 + unit);
                gl.bind_texture(glow::TEXTURE_2D, Some(name));
                gl.uniform_1_i32(uniform.as_ref(), unit as i32);
            }
            self.bind_corners(gl);
            gl.draw_arrays(glow::TRIANGLE_STRIP, 0, 4);
            self.let_go_of_corners(gl);
            gl.active_texture(glow::TEXTURE0);
        }
    }

    /// # Safety
    /// The context is current.
    unsafe fn bind_corners(&self, gl: &glow::Context) {
        // SAFETY: the caller's; the buffer has four corners of two numbers each, or gets them before anything is drawn.
        unsafe {
            if self.vertex_array.is_some() {
                gl.bind_vertex_array(self.vertex_array);
            }
            gl.bind_buffer(glow::ARRAY_BUFFER, Some(self.corners));
            gl.vertex_attrib_pointer_f32(self.corner, 2, glow::FLOAT, false, BYTES_OF_CORNER, 0);
            gl.enable_vertex_attrib_array(self.corner);
        }
    }

    /// egui binds its own again.
    ///
    /// # Safety
    /// The context is current.
    unsafe fn let_go_of_corners(&self, gl: &glow::Context) {
        // SAFETY: the caller's.
        unsafe {
            gl.disable_vertex_attrib_array(self.corner);
            if self.vertex_array.is_some() {
                gl.bind_vertex_array(None);
            }
            gl.bind_buffer(glow::ARRAY_BUFFER, None);
        }
    }
}

impl Textures {
    pub(super) fn new(gl: &glow::Context) -> Result<Self, String> {
        // SAFETY: the context is current.
        let make = || unsafe { gl.create_texture() };
        Ok(Self {
            names: [make()?, make()?, make()?],
            size_px: None,
            colors: Colors::default(),
        })
    }

    /// Takes memory for pictures of another size.
    fn resize(
        &mut self,
        gl: &glow::Context,
        format: Format,
        size_px: (u32, u32),
    ) -> Result<(), String> {
        self.size_px = None;
        take_errors(gl);
        for (name, (width, height)) in self.names.into_iter().zip(sizes(size_px)) {
            // SAFETY: the context is current and the texture was made with it; no memory of ours is read.
            unsafe {
                gl.bind_texture(glow::TEXTURE_2D, Some(name));
                let set = |parameter, value: u32| {
                    gl.tex_parameter_i32(glow::TEXTURE_2D, parameter, value as i32);
                };
                set(glow::TEXTURE_MAG_FILTER, glow::LINEAR);
                set(glow::TEXTURE_MIN_FILTER, glow::LINEAR);
                set(glow::TEXTURE_WRAP_S, glow::CLAMP_TO_EDGE);
                set(glow::TEXTURE_WRAP_T, glow::CLAMP_TO_EDGE);
                gl.tex_image_2d(
                    glow::TEXTURE_2D,
                    0,
                    format.internal as i32,
                    width,
                    height,
                    0,
                    format.given,
                    glow::UNSIGNED_BYTE,
                    glow::PixelUnpackData::Slice(None),
                );
            }
        }
        match take_errors(gl) {
            None => {
                self.size_px = Some(size_px);
                Ok(())
            }
            Some(error) => Err(format!(
                "no textures of {}x{}: error {error:#x}",
                size_px.0, size_px.1
            )),
        }
    }

    fn delete(self, gl: &glow::Context) {
        for name in self.names {
            // SAFETY: the context is current, and nobody uses the texture any more.
            unsafe { gl.delete_texture(name) };
        }
    }
}

/// Width and height of the three planes.
fn sizes((width_px, height_px): (u32, u32)) -> [(i32, i32); 3] {
    let luma = (width_px as i32, height_px as i32);
    let chroma = (luma.0 / 2, luma.1 / 2);
    [luma, chroma, chroma]
}

/// The first of the errors that have come together, if there are any. Asks the driver to catch up, and so is not for every picture.
fn take_errors(gl: &glow::Context) -> Option<u32> {
    // SAFETY: the context is current.
    let errors = std::iter::from_fn(|| Some(unsafe { gl.get_error() }));
    let mut errors = errors.take(MOST_ERRORS).take_while(|error| *error != 0);
    let first = errors.next();
    errors.for_each(drop);
    first
}

/// Part of OpenGL 3 and ES 3, and an extension before.
fn has_vertex_arrays(gl: &glow::Context) -> bool {
    let names = ["GL_ARB_vertex_array_object", "GL_OES_vertex_array_object"];
    gl.version().major >= 3
        || names
            .iter()
            .any(|name| gl.supported_extensions().contains(*name))
}

#[cfg(all(test, target_os = "linux"))]
impl Program {
    /// As [`Program::new`], with a fragment shader that no driver takes.
    pub(super) fn broken(gl: &glow::Context, version: ShaderVersion) -> Result<Self, String> {
        Self::of(gl, version, "void main() { gl_FragColor = no_such_thing; }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_that_draw_with_the_cpu_are_known_by_their_names() {
        for name in [
            "llvmpipe (LLVM 15.0.6, 256 bits)",
            "softpipe",
            "Google SwiftShader",
            "Apple Software Renderer",
            "GDI Generic",
            "D3D12 (Microsoft Basic Render Driver)",
        ] {
            assert!(is_software_name(name), "{name}");
        }
        for name in [
            "Mesa Intel(R) UHD Graphics 620 (KBL GT2)",
            "NVIDIA GeForce RTX 3060/PCIe/SSE2",
            "AMD Radeon Graphics (radeonsi, renoir, LLVM 15.0.7, DRM 3.49)",
            "virgl (Mesa)",
        ] {
            assert!(!is_software_name(name), "{name}");
        }
    }

    #[test]
    fn chroma_has_half_the_size() {
        assert_eq!(sizes((322, 242)), [(322, 242), (161, 121), (161, 121)]);
    }
}

//! From the text of the shaders to a program.

use eframe::egui_glow::ShaderVersion;
use eframe::glow::{self, HasContext as _};

const VERTEX_SHADER: &str = include_str!("../picture.vert");

/// The program of our vertex shader and this fragment shader, or why there is none, in the driver's words.
///
/// # Safety
/// The context is current.
pub(super) unsafe fn link(
    gl: &glow::Context,
    version: ShaderVersion,
    fragment: &str,
) -> Result<glow::Program, String> {
    // SAFETY: the caller's; every name is made here.
    unsafe {
        let vertex = compile(gl, version, glow::VERTEX_SHADER, VERTEX_SHADER)?;
        let fragment = compile(gl, version, glow::FRAGMENT_SHADER, fragment)?;
        let program = gl.create_program()?;
        for shader in [vertex, fragment] {
            gl.attach_shader(program, shader);
        }
        gl.link_program(program);
        for shader in [vertex, fragment] {
            gl.detach_shader(program, shader);
            gl.delete_shader(shader);
        }
        if gl.get_program_link_status(program) {
            Ok(program)
        } else {
            Err(gl.get_program_info_log(program))
        }
    }
}

/// # Safety
/// The context is current.
unsafe fn compile(
    gl: &glow::Context,
    version: ShaderVersion,
    kind: u32,
    source: &str,
) -> Result<glow::Shader, String> {
    let declaration = version.version_declaration();
    let is_new = u8::from(version.is_new_shader_interface());
    let source = format!("{declaration}#define NEW_SHADER_INTERFACE {is_new}\n{source}");
    // SAFETY: the caller's; the name is made here.
    unsafe {
        let shader = gl.create_shader(kind)?;
        gl.shader_source(shader, &source);
        gl.compile_shader(shader);
        if gl.get_shader_compile_status(shader) {
            Ok(shader)
        } else {
            Err(gl.get_shader_info_log(shader))
        }
    }
}

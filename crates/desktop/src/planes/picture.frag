#ifdef GL_ES
    // Coordinates of large pictures need it; where there is none, lower precision has to do.
    #ifdef GL_FRAGMENT_PRECISION_HIGH
        precision highp float;
    #else
        precision mediump float;
    #endif
#endif

#if NEW_SHADER_INTERFACE
    #define varying in
    #define texture2D texture
    #define gl_FragColor f_color
    out vec4 f_color;
#endif

uniform sampler2D u_luma;
uniform sampler2D u_blue;
uniform sampler2D u_red;
uniform mat3 u_factors;
uniform vec3 u_added;
// The luma of black; what is below is as good.
uniform float u_black;
// 1 is as it is, 0 is black.
uniform float u_shade;
// 1 is opaque.
uniform float u_opacity;
// Half the width and height, and how round the corners are; in pixels.
uniform vec3 u_corners;

varying vec2 v_part;
varying vec2 v_from_middle;

void main() {
    vec3 yuv = vec3(
        max(texture2D(u_luma, v_part).r, u_black),
        texture2D(u_blue, v_part).r,
        texture2D(u_red, v_part).r);
    vec3 rgb = clamp(u_factors * yuv + u_added, 0.0, 1.0) * u_shade;
    float seen = u_opacity;
    if (u_corners.z > 0.0) {
        // How far outside of the rounded rectangle.
        vec2 beyond = abs(v_from_middle) - u_corners.xy + u_corners.z;
        float outside = length(max(beyond, 0.0)) - u_corners.z;
        seen *= clamp(0.5 - outside, 0.0, 1.0);
    }
    // As egui has it: without linear light, multiplied with how much of it is seen.
    gl_FragColor = vec4(rgb, 1.0) * seen;
}

#if NEW_SHADER_INTERFACE
    #define attribute in
    #define varying out
#endif

// Where the rectangle is, in pixels of the window: left, top, width, height.
uniform vec4 u_place;
uniform vec2 u_screen;
// Which part of the picture is shown, from 0 to 1: left, top, right, bottom.
uniform vec4 u_part;

// One corner, from 0 to 1.
attribute vec2 a_corner;
varying vec2 v_part;
// Pixels from the middle.
varying vec2 v_from_middle;

void main() {
    vec2 at = u_place.xy + a_corner * u_place.zw;
    gl_Position = vec4(2.0 * at.x / u_screen.x - 1.0, 1.0 - 2.0 * at.y / u_screen.y, 0.0, 1.0);
    v_part = mix(u_part.xy, u_part.zw, a_corner);
    v_from_middle = (a_corner - 0.5) * u_place.zw;
}
